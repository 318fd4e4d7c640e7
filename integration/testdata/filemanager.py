"""Stands for a file manager that has loaded the extension: filemanager.py NAME EXTENSION COMMAND FILE...

COMMAND is show, which prints a line for each file: its path, its emblems, and its column; or the
name of a menu entry, which is chosen for all files.
"""

import importlib.util
import os
import subprocess
import sys
import types

name, extension, command, *paths = sys.argv[1:]
idle = []
modules = {}


class Anything:
    """A value that accepts whatever is done to it."""

    def __init__(self, *args, **fields):
        self.__dict__.update(fields)

    def __getattr__(self, name):
        return Anything()

    def __call__(self, *args, **fields):
        return Anything()


class MenuItem(Anything):
    def connect(self, signal, activated):
        self.activated = activated


class Subprocess:
    @staticmethod
    def new(command, flags):
        sys.exit(subprocess.run([os.environ["S3SHARE"]] + command[1:]).returncode)


completed = []
modules[name] = types.SimpleNamespace(
    InfoProvider=type("InfoProvider", (), {}), ColumnProvider=type("ColumnProvider", (), {}), MenuProvider=type("MenuProvider", (), {}),
    OperationResult=types.SimpleNamespace(COMPLETE=1, IN_PROGRESS=2), Column=Anything, MenuItem=MenuItem,
    info_provider_update_complete_invoke=lambda closure, provider, handle, result: completed.append(handle))
modules["GLib"] = types.SimpleNamespace(Error=OSError, get_prgname=lambda: "test", PRIORITY_LOW=300)
modules["Gio"] = types.SimpleNamespace(
    Subprocess=Subprocess, SubprocessFlags=Anything(STDOUT_PIPE=1, STDERR_MERGE=2),
    FileQueryInfoFlags=Anything(NOFOLLOW_SYMLINKS=1))
modules["GObject"] = types.SimpleNamespace(GObject=type("GObject", (), {}))
repository = types.ModuleType("gi.repository")
for module, value in modules.items():
    setattr(repository, module, value)
    sys.modules["gi.repository." + module] = value
sys.modules["gi"] = types.ModuleType("gi")
sys.modules["gi.repository"] = repository
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("extension", extension)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


class Location:
    """A Gio.File."""

    def __init__(self, path):
        self.path = path

    def get_path(self):
        return self.path

    def query_info_async(self, attributes, flags, priority, cancellable, ended):
        assert attributes.startswith("xattr::")
        self.attribute = "user." + attributes[len("xattr::"):]
        idle.append(lambda: ended(self, None))

    def query_info_finish(self, result):
        value = os.getxattr(self.path, self.attribute).decode()
        return types.SimpleNamespace(get_attribute_string=lambda attribute: value)


class File:
    """A file as the file manager knows it."""

    def __init__(self, path):
        self.path, self.emblems, self.column = path, [], None

    def get_uri_scheme(self):
        return "file"

    def is_directory(self):
        return os.path.isdir(self.path)

    def get_location(self):
        return Location(self.path)

    def add_emblem(self, emblem):
        self.emblems.append(emblem)

    def add_string_attribute(self, attribute, text):
        assert attribute == "s3share_state"
        self.column = text


provider = module.S3Share()
files = [File(path) for path in paths]
if command != "show":
    arguments = [files] if name == "Nautilus" else [object(), files]
    for item in provider.get_file_items(*arguments):
        if item.label == command:
            item.activated(item)
    sys.exit("there is no such entry")
for i, file in enumerate(files):
    if provider.update_file_info_full(provider, i, None, file) == 2:
        assert file.column is None, "the answer came in the call"
        idle.pop()()
        assert completed.pop() == i
    print(file.path, ",".join(file.emblems) or "-", file.column or "-", sep="\t")
assert len(provider.get_columns()) == 1
