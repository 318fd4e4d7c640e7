package daemon

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"github.com/s3share/s3share/cmd/s3share/internal/hint"
)

// A daemon that was started by s3share itself finds the numbers of two inherited
// descriptors in its environment. It writes one report to the first, as soon as it
// serves or knows why not; the second, if it is there, ends when its starter does,
// and then the daemon ends as well.
const (
	readyVariable    = "S3SHARE_READY_FD"
	LifelineVariable = "S3SHARE_LIFELINE_FD"
)

// startReport is the one report of a daemon about its start: ready, or an error.
type startReport struct {
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code"`
}

// inherited opens the descriptor that a variable names, and removes the variable:
// processes started from here have no business with it. It returns nil if there is
// none.
func inherited(variable string) *os.File {
	fd, err := strconv.ParseUint(os.Getenv(variable), 10, 16)
	os.Unsetenv(variable)
	if err != nil || fd < 3 {
		return nil
	}
	closeOnExec(int(fd))
	return os.NewFile(uintptr(fd), variable)
}

// StartProcess runs cmd, a daemon, until it reports. Then it serves in the background, or
// its error is returned and it has ended. interrupted ends the wait and the daemon.
func StartProcess(cmd *exec.Cmd, interrupted <-chan struct{}) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	cmd.ExtraFiles = append(cmd.ExtraFiles, write)
	cmd.Env = append(cmd.Environ(), fmt.Sprintf("%s=%d", readyVariable, 2+len(cmd.ExtraFiles)))
	err = cmd.Start()
	write.Close()
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", cmd.Path, err)
	}
	answer := make(chan startReport, 1)
	silent := make(chan error, 1)
	go func() {
		var r startReport
		line, err := bufio.NewReader(read).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &r)
		}
		if err != nil {
			silent <- err
			return
		}
		answer <- r
	}()
	select {
	case r := <-answer:
		if r.Error == "" {
			return nil
		}
		_ = cmd.Wait() // its exit code is in the report
		return &hint.Error{Err: errors.New(r.Error), Hint: r.Hint, Code: r.Code}
	case err := <-silent:
		if ended := cmd.Wait(); ended != nil {
			err = ended
		}
		return fmt.Errorf("the daemon ended before it served: %w", err)
	case <-interrupted:
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		return hint.ErrInterrupted
	}
}

// reportStart writes the report about a daemon's start to w and closes it. It is no error if the
// starter is gone.
func reportStart(w io.WriteCloser, failure error) {
	var r startReport
	if failure != nil {
		r.Error = hint.OneLine(failure.Error())
		r.Code, r.Hint = hint.ExitCode(failure)
	}
	_ = json.NewEncoder(w).Encode(r)
	_ = w.Close()
}
