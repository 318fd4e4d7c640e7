package arrival

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A helper makes its calls from its main thread, whose ID is the process ID: a FUSE request has the
// ID of the thread.
func init() {
	if IsHelper(os.Args) {
		runtime.LockOSThread()
	}
}

// IsHelper reports whether a command line is that of a helper.
func IsHelper(args []string) bool { return len(args) == 2 && args[1] == HelperArg }

// Helper is a helper process, as the process that serves the mount sees it. Only one goroutine at a
// time may call Do, CreateAll and Rest; the other methods may be called concurrently.
type Helper struct {
	cmd   *exec.Cmd
	calls io.WriteCloser
	enc   *gob.Encoder
	dec   *gob.Decoder
	pid   atomic.Uint32
	ended chan struct{}
	end   sync.Once
}

// Start starts a helper for the mount of a device on mountpoint, an absolute path without links.
// The helper runs the executable of this process. The FUSE device must not be open in it: a mount
// lives as long as any process has that open.
func Start(mountpoint, device string) (*Helper, error) {
	cmd := exec.Command("/proc/self/exe", HelperArg) // even if its file was replaced by an upgrade
	cmd.Args[0] = "s3share"
	// Its calls are not interrupted. With GOMAXPROCS=1 the runtime would wake another thread during
	// each call that takes more than 20 µs.
	cmd.Env = []string{"GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=2"}
	cmd.Dir = "/"
	// A signal from the terminal must not reach the helper.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	calls, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, calls.Close())
	}
	h := &Helper{cmd: cmd, calls: calls, enc: gob.NewEncoder(calls), dec: gob.NewDecoder(answers),
		ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the helper that announces arrivals: %w", err)
	}
	h.pid.Store(uint32(cmd.Process.Pid))
	go h.await()
	var ready answer
	if err = h.enc.Encode(hello{mountpoint, device}); err == nil {
		err = h.dec.Decode(&ready)
	}
	if err == nil && ready.Errno != 0 {
		err = ready.Errno
	}
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("the helper that announces arrivals does not begin: %w", err)
	}
	return h, nil
}

// await waits for the process. Until it is waited for, no other process can get its ID, so PID
// returns 0 before that.
func (h *Helper) await() {
	defer close(h.ended)
	for {
		err := unix.Waitid(unix.P_PID, h.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	h.pid.Store(0)
	_ = h.cmd.Wait() // how it ended does not matter
}

// PID returns the process ID; 0 once the process has ended.
func (h *Helper) PID() uint32 { return h.pid.Load() }

// errEnded is returned when the helper is gone.
var errEnded = errors.New("the helper has ended")

// Do has the helper make one call, and waits for it. The errno is the call's. The helper keeps the
// directory open for further calls in it, until Rest.
func (h *Helper) Do(c Call) (syscall.Errno, error) {
	a, err := h.do(c)
	return a.Errno, err
}

// CreateAll has the helper make the call Create for each of these names in one directory, and waits
// for all. It returns the errno of each. A message for each name would take as much processor time
// as a request to the mount.
func (h *Helper) CreateAll(dir string, names []string) ([]syscall.Errno, error) {
	a, err := h.do(Call{Op: createAll, Dir: dir, Names: names})
	if err == nil && len(a.Errnos) != len(names) {
		err = errEnded
	}
	return a.Errnos, err
}

func (h *Helper) do(c Call) (a answer, err error) {
	if err := h.enc.Encode(c); err != nil {
		return a, fmt.Errorf("%w: %w", errEnded, err)
	}
	if err := h.dec.Decode(&a); err != nil {
		return a, fmt.Errorf("%w: %w", errEnded, err)
	}
	return a, nil
}

// Rest has the helper close the directory that it has open, so that it keeps nothing of the mount
// in use.
func (h *Helper) Rest() error {
	_, err := h.Do(Call{Op: done})
	return err
}

// Close ends the process, and waits for it unless the kernel keeps it in a call: that ends with
// the mount.
func (h *Helper) Close() {
	h.end.Do(func() {
		_ = h.cmd.Process.Kill()
		_ = h.calls.Close()
	})
}

// Ended is closed when the process has ended.
func (h *Helper) Ended() <-chan struct{} { return h.ended }

// RunHelper runs the helper's process, and returns its exit status. It returns when the process
// that has started it closes the pipe or ends. It makes only the calls of [Op], only in directories
// of the device in hello.
func RunHelper() int {
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	dec, enc := gob.NewDecoder(os.Stdin), gob.NewEncoder(os.Stdout)
	var h hello
	if dec.Decode(&h) != nil {
		return 1
	}
	w := worker{hello: h, fd: -1}
	var ready answer
	if unix.Gettid() != unix.Getpid() {
		ready.Errno = unix.ENOTSUP
	}
	for a := ready; enc.Encode(a) == nil; {
		var c Call
		if dec.Decode(&c) != nil {
			break
		}
		a = w.answer(c)
	}
	return 0
}

func errnoOf(err error) syscall.Errno {
	var n syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &n):
		return n
	}
	return unix.EIO
}

// worker makes the calls of the helper.
type worker struct {
	hello
	dir string // that is open as fd
	fd  int    // -1 for none
}

// answer makes the calls of c.
func (w *worker) answer(c Call) (a answer) {
	if c.Op != createAll {
		return answer{Errno: errnoOf(w.do(c))}
	}
	for _, name := range c.Names {
		a.Errnos = append(a.Errnos, errnoOf(w.do(Call{Op: Create, Dir: c.Dir, Name: name})))
	}
	return a
}

func (w *worker) do(c Call) error {
	if c.Op == done || c.Dir != w.dir {
		w.close()
	}
	if c.Op == done {
		return nil
	}
	if c.Name == "" || c.Name == "." || c.Name == ".." || strings.Contains(c.Name, "/") {
		return unix.EINVAL
	}
	if w.fd < 0 {
		if err := w.open(c.Dir); err != nil {
			return err
		}
	}
	const flags = unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	switch c.Op {
	case Create:
		return w.openFile(c, flags|unix.O_CREAT|unix.O_EXCL, false)
	case Change:
		return w.openFile(c, flags, true)
	case Mknod:
		return unix.Mknodat(w.fd, c.Name, unix.S_IFREG|0o600, 0)
	case Touch:
		return unix.Fchmodat(w.fd, c.Name, c.Mode&0o777, 0)
	case Remove:
		return unix.Unlinkat(w.fd, c.Name, 0)
	case Mkdir:
		return unix.Mkdirat(w.fd, c.Name, 0o700)
	case Rmdir:
		return unix.Unlinkat(w.fd, c.Name, unix.AT_REMOVEDIR)
	}
	return unix.EINVAL
}

// open opens a directory of the mount. It fails for a directory of another file system, which may
// be at the mountpoint once the mount is undone.
func (w *worker) open(dir string) error {
	fd, err := unix.Open(filepath.Join(w.Mountpoint, dir),
		unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st unix.Statx_t
	// The kernel knows the device without a request to the mount.
	err = unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, 0, &st)
	if err == nil && fmt.Sprintf("%d:%d", st.Dev_major, st.Dev_minor) != w.Device {
		err = unix.EXDEV
	}
	if err != nil {
		_ = unix.Close(fd)
		return err
	}
	w.fd, w.dir = fd, dir
	return nil
}

func (w *worker) close() {
	if w.fd >= 0 {
		_ = unix.Close(w.fd)
	}
	w.fd, w.dir = -1, ""
}

// openFile opens a file and closes it. With truncate it also sets the file's size, to the size that
// the file has.
func (w *worker) openFile(c Call, flags int, truncate bool) error {
	fd, err := unix.Openat(w.fd, c.Name, flags|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	if truncate {
		err = unix.Ftruncate(fd, c.Size)
	}
	return errors.Join(err, unix.Close(fd))
}
