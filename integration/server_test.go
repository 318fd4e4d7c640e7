package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// account is one party: its credentials and its id.
type account struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	AccountID       string `json:"account_id"`
}

// line is what a server prints when its bucket is ready.
type line struct {
	Kind     string  `json:"kind"` // localbucket or rgw
	Endpoint string  `json:"endpoint"`
	Region   string  `json:"region"`
	Bucket   string  `json:"bucket"`
	Owner    account `json:"owner"`
	Client   account `json:"client"`
	Third    account `json:"third"`
	AWS      *awsWay `json:"aws"` // how it is reached by AWS's host names, if it is
}

// awsWay is the environment of a program that reaches a server as it reaches AWS.
type awsWay struct {
	Proxy     string `json:"proxy"`
	Authority string `json:"authority"`
}

// server is the server under test; each test makes buckets of its own on it.
var server line

func (l line) onRGW() bool { return l.Kind == "rgw" }

// startServer takes the server that S3SHARE_TEST_S3 names, or starts localbucket.
func startServer() (stop func() error, err error) {
	if raw := os.Getenv("S3SHARE_TEST_S3"); raw != "" {
		if err := json.Unmarshal([]byte(raw), &server); err != nil {
			return nil, fmt.Errorf("S3SHARE_TEST_S3: %w", err)
		}
		return func() error { return nil }, nil
	}
	server, stop, err = serve()
	return stop, err
}

// serve runs a localbucket with these arguments.
func serve(args ...string) (l line, stop func() error, err error) {
	cmd := exec.Command(localbucketBin, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return l, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return l, nil, err
	}
	if err := cmd.Start(); err != nil {
		return l, nil, err
	}
	kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	said, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(said, &l)
	}
	if !kill.Stop() || err != nil {
		return l, nil, errors.Join(fmt.Errorf("localbucket did not start: %w", err),
			stdin.Close(), cmd.Wait(), errors.New(complaint.String()))
	}
	return l, func() error {
		err := stdin.Close()
		defer time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }).Stop()
		_, _ = io.Copy(io.Discard, stdout)
		return errors.Join(err, cmd.Wait())
	}, nil
}

// makeBucket makes a bucket of that name, with the named policy for the client.
func makeBucket(ctx context.Context, name, policy string) (line, error) {
	style := "aws"
	if server.onRGW() {
		style = "rgw"
	}
	cmd := exec.CommandContext(ctx, localbucketBin, "setup", "--endpoint", server.Endpoint,
		"--region", server.Region,
		"--principal-style", style, "--bucket", name, "--policy", policy)
	cmd.Env = os.Environ()
	for who, a := range map[string]account{"OWNER": server.Owner, "CLIENT": server.Client,
		"THIRD": server.Third} {
		cmd.Env = append(cmd.Env, who+"_KEY="+a.AccessKeyID, who+"_SECRET="+a.SecretAccessKey)
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	said, err := cmd.Output()
	l := server
	if err == nil {
		err = json.Unmarshal(said, &l)
	}
	if err != nil {
		return l, fmt.Errorf("set up bucket %s: %w\n%s", name, err, complaint.Bytes())
	}
	return l, nil
}
