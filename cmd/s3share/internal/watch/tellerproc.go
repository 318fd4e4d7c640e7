package watch

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// teller tells events, one at a time.
type teller interface {
	// tell tells an event, and returns how that ended. The error is the context's if it ended
	// before: then nothing is known.
	tell(ctx context.Context, r request) (answer, error)
	// close waits until the teller lets go of the cursor.
	close() error
}

// errTellerEnded is returned where the teller was killed.
var errTellerEnded = errors.New("the process that tells the events has ended")

// process is a teller in a process of its own.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *os.File
	enc     *gob.Encoder
	dec     *gob.Decoder
}

// startTeller starts a teller that records in the file cursor, and holds lock until it ends.
func startTeller(h hello, cursor, lock *os.File) (teller, error) {
	failed := func(err error) (teller, error) {
		return nil, fmt.Errorf("cannot start the process that tells the events: %w", err)
	}
	program, err := thisProgram()
	if err != nil {
		return failed(err)
	}
	answers, w, err := os.Pipe()
	if err != nil {
		return failed(err)
	}
	defer w.Close()
	cmd := exec.Command(program, tellerArg) // #nosec G204 -- this very program
	cmd.Args[0] = "s3share"
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{cursor, lock, w} // cursorFD and on
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		answers.Close()
		return failed(err)
	}
	p := &process{cmd: cmd, in: in, answers: answers, enc: gob.NewEncoder(in),
		dec: gob.NewDecoder(answers)}
	if err := p.enc.Encode(h); err != nil {
		return failed(errors.Join(err, p.close()))
	}
	return p, nil
}

func (p *process) tell(ctx context.Context, r request) (answer, error) {
	type result struct {
		answer
		err error
	}
	done := make(chan result, 1)
	go func() {
		var res result
		if res.err = p.enc.Encode(r); res.err == nil {
			res.err = p.dec.Decode(&res.answer)
		}
		done <- res
	}()
	select {
	case res := <-done:
		if res.err != nil {
			return answer{}, errTellerEnded
		}
		return res.answer, nil
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

func (p *process) close() error {
	err := errors.Join(p.in.Close(), p.cmd.Wait(), p.answers.Close())
	if err != nil {
		return fmt.Errorf("%w: %w", errTellerEnded, err)
	}
	return nil
}
