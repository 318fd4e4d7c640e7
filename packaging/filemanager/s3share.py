"""s3share in Nautilus (Files), Nemo and Caja: an emblem and a column for the state of each
file, and the menu entries "Why?" and "Retry".

It runs in the file manager's process, so it never waits there. It reads the attribute
user.s3share.state, and only of files below a mount of s3share.
"""

import os
import sys
import time

from gi.repository import Gio, GLib, GObject


def _file_manager():
    """Returns the binding of the file manager that has loaded this file."""
    names = ("Nautilus", "Nemo", "Caja")
    for name in names:
        if "gi.repository." + name in sys.modules:
            return getattr(__import__("gi.repository", fromlist=[name]), name)
    for name in names:
        if name.lower() in (GLib.get_prgname() or "").lower():
            return getattr(__import__("gi.repository", fromlist=[name]), name)
    raise ImportError("this is an extension of Nautilus, Nemo or Caja")


FileManager = _file_manager()

# The extended attribute user.s3share.state, as GLib names it.
STATE = "xattr::s3share.state"

# By the value of the attribute: the emblem, "" for none, and the text of the column.
STATES = {
    "open": ("", "open for writing"),
    "private": ("", "stays on this machine"),
    "sealed": ("emblem-system", "waiting"),
    "paused": ("emblem-system", "paused"),
    "uploading": ("emblem-synchronizing", "uploading"),
    "removing": ("", "being removed"),
    "delivered": ("emblem-default", "delivered"),
    "blocked": ("emblem-unreadable", "blocked"),
    "interrupted": ("emblem-unreadable", "interrupted"),
    "conflict": ("emblem-important", "conflict"),
    "not removed": ("emblem-important", "not removed"),
}

# For how many seconds the list of mounts is used before it is read again.
MOUNTS_AGE = 2


class Mounts:
    """The kernel's list of mounts. It is read without touching any mount."""

    def __init__(self, path="/proc/self/mountinfo"):
        self._path = path
        self._read = None
        self._mounts = []

    def has(self, path):
        """Reports whether path is below a mount of s3share."""
        now = time.monotonic()
        if self._read is None or now - self._read > MOUNTS_AGE:
            self._read, self._mounts = now, self._list()
        ours, longest = False, -1
        for place, is_ours in self._mounts:  # a later mount hides an earlier one
            if len(place) >= longest and (path + "/").startswith(place.rstrip("/") + "/"):
                ours, longest = is_ours, len(place)
        return ours

    def _list(self):
        mounts = []
        try:
            with open(self._path, encoding="utf-8", errors="surrogateescape") as lines:
                for line in lines:
                    before, _, after = line.partition(" - ")
                    place = before.split(" ")[4]
                    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
                        place = place.replace(code, char)
                    mounts.append((place, after.split(" ")[0] == "fuse.s3share"))
        except (OSError, IndexError):
            pass
        return mounts


MOUNTS = Mounts()


def path_of(file):
    """Returns the path of a file of the file manager if it is on a mount of s3share, else None."""
    if file.get_uri_scheme() != "file":
        return None
    path = file.get_location().get_path()
    return path if path and MOUNTS.has(path) else None


def ask_state(file, answer):
    """Calls answer with the state of a file; "" if there is none, or S3 cannot confirm it now.

    GLib reads the attribute in a thread of its own: file managers hold Python's lock, so that
    no thread of Python runs.
    """
    def ended(location, result):
        try:
            state = location.query_info_finish(result).get_attribute_string(STATE)
        except GLib.Error:
            state = None
        answer(state or "")
    flags = Gio.FileQueryInfoFlags.NOFOLLOW_SYMLINKS
    file.get_location().query_info_async(STATE, flags, GLib.PRIORITY_LOW, None, ended)


def notify(title, text):
    """Shows a desktop notification, and waits for nothing."""
    def connected(_, result):
        try:
            bus = Gio.bus_get_finish(result)
        except GLib.Error:
            return
        body = GLib.markup_escape_text(text)
        args = GLib.Variant("(susssasa{sv}i)", ("s3share", 0, "folder-remote", title, body, [], {}, -1))
        bus.call("org.freedesktop.Notifications", "/org/freedesktop/Notifications",
                 "org.freedesktop.Notifications", "Notify", args, None, Gio.DBusCallFlags.NONE, -1, None, None)
    Gio.bus_get(Gio.BusType.SESSION, None, connected)


def run(command, title):
    """Runs a command of s3share, and shows what it prints."""
    flags = Gio.SubprocessFlags.STDOUT_PIPE | Gio.SubprocessFlags.STDERR_MERGE
    try:
        process = Gio.Subprocess.new(command, flags)
    except GLib.Error as err:
        notify(title, err.message)
        return

    def ended(process, result):
        try:
            text = process.communicate_utf8_finish(result)[1]
        except GLib.Error as err:
            text = err.message
        notify(title, (text or "").strip())
    process.communicate_utf8_async(None, None, ended)


class S3Share(GObject.GObject, FileManager.InfoProvider, FileManager.ColumnProvider, FileManager.MenuProvider):
    """What the file manager asks."""

    def update_file_info_full(self, provider, handle, closure, file):
        path = None if file.is_directory() else path_of(file)
        if path is None:
            return FileManager.OperationResult.COMPLETE

        def answer(state):
            emblem, text = STATES.get(state, ("", state))
            if emblem:
                file.add_emblem(emblem)
            file.add_string_attribute("s3share_state", text)
            FileManager.info_provider_update_complete_invoke(closure, provider, handle, FileManager.OperationResult.COMPLETE)
        ask_state(file, answer)
        return FileManager.OperationResult.IN_PROGRESS

    def cancel_update(self, provider, handle):
        pass  # the file manager ignores an answer that comes all the same

    def get_columns(self):
        return [FileManager.Column(
            name="S3Share::state", attribute="s3share_state", label="s3share", description="How far its delivery is")]

    def get_file_items(self, *args):
        # Nautilus 43 passes the files; before, and in the others, a window comes first.
        files = args[-1]
        paths = [path_of(file) for file in files]
        if not paths or None in paths:
            return []
        items = [self._item("retry", "Retry", "Deliver now what waits or was refused", paths)]
        if len(paths) == 1 and not files[0].is_directory():
            items.insert(0, self._item("why", "Why?", "How far the delivery is, and what holds it up", paths))
        return items

    def get_background_items(self, *args):
        return []

    def _item(self, command, label, tip, paths):
        item = FileManager.MenuItem(name="S3Share::" + command, label=label, tip=tip)

        def activated(*_):
            for path in paths:
                run(["s3share", command, "--", path], os.path.basename(path))
        item.connect("activate", activated)
        return item
