package main

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"supd/privdrop"
	"supd/socket"
)

// run becomes the command, and returns only if that fails or there was just the
// plan to be shown.
func (o *options) run() error {
	if err := o.resolve(); err != nil {
		return err
	}
	if o.explain {
		return o.show()
	}
	return o.become()
}

// resolve looks up the user and completes what the flags say.
func (o *options) resolve() error {
	s := &o.launch
	if o.identity.User != "" {
		account, err := privdrop.Lookup(o.identity)
		if err != nil {
			return err
		}
		s.Account = account
	}
	s.Env = o.environment(s.Account)
	s.Files = []int{0, 1, 2}
	for _, socket := range o.sockets {
		s.ListenNames = append(s.ListenNames, socket.Name)
	}
	return nil
}

// show opens no socket: its place is shown as if it were there already.
func (o *options) show() error {
	for i := range o.sockets {
		o.launch.Files = append(o.launch.Files, 3+i)
	}
	plan, err := o.launch.Plan()
	if err != nil {
		return err
	}
	return plan.Explain(os.Stdout)
}

// become opens the sockets, which stay open as the command's. They are closed,
// and a path removed, when it could not be run.
func (o *options) become() error {
	for _, spec := range o.sockets {
		sock, err := socket.Open(spec)
		if err != nil {
			return err
		}
		defer sock.Close()
		o.launch.Files = append(o.launch.Files, sock.Fd())
	}
	plan, err := o.launch.Plan()
	if err != nil {
		return err
	}
	return plan.Exec()
}

// parseListen reads ADDRESS[,KEY=VALUE…].
func parseListen(text string) (socket.Spec, error) {
	fields := strings.Split(text, ",")
	s := socket.Spec{Listen: fields[0], Name: "unknown"} // sd_listen_fds_with_names(3)
	for _, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		if err := setListen(&s, key, value); err != nil {
			return s, err
		}
	}
	return s, s.Validate()
}

func setListen(s *socket.Spec, key, value string) (err error) {
	switch key {
	case "name":
		s.Name = value
	case "user":
		s.User = value
	case "group":
		s.Group = value
	case "mode":
		var mode uint64
		mode, err = strconv.ParseUint(value, 8, 9)
		s.Mode = fs.FileMode(mode)
	case "backlog":
		s.Backlog, err = strconv.Atoi(value)
	default:
		return fmt.Errorf("unknown key %q, want name, user, group, mode or backlog", key)
	}
	if err != nil {
		return fmt.Errorf("%s %q is not a number", key, value)
	}
	return nil
}
