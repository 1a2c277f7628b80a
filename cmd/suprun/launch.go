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

// run becomes the command. It returns only if that fails, or if only the plan was
// to be shown.
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

// show prints the plan. It opens no socket, but shows them as if they were open.
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

// become opens the sockets, which stay open for the command. If that cannot be run,
// they are closed, and a socket's path is removed.
func (o *options) become() error {
	for _, l := range o.sockets {
		sock, err := l.open()
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

// listener is a --listen: what is to be opened, its owner by name.
type listener struct {
	socket.Spec
	user, group string
}

// parseListen reads ADDRESS[,KEY=VALUE…].
func parseListen(text string) (listener, error) {
	fields := strings.Split(text, ",")
	l := listener{Spec: socket.Spec{Listen: fields[0], Name: "unknown"}} // sd_listen_fds_with_names(3)
	for _, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		if err := l.set(key, value); err != nil {
			return l, err
		}
	}
	return l, l.validate()
}

func (l *listener) set(key, value string) (err error) {
	switch key {
	case "name":
		l.Name = value
	case "user":
		l.user = value
	case "group":
		l.group = value
	case "mode":
		var mode uint64
		mode, err = strconv.ParseUint(value, 8, 9)
		l.Mode = fs.FileMode(mode)
	case "backlog":
		l.Backlog, err = strconv.Atoi(value)
	default:
		return fmt.Errorf("unknown key %q, want name, user, group, mode or backlog", key)
	}
	if err != nil {
		return fmt.Errorf("%s %q is not a number", key, value)
	}
	return nil
}

// validate does not ask who the owner is, but whether there may be one.
func (l listener) validate() error {
	spec := l.Spec
	if l.user != "" || l.group != "" {
		spec.Owner = socket.OwnedBy(0, 0)
	}
	return spec.Validate()
}

func (l listener) open() (*socket.Socket, error) {
	uid, gid, err := privdrop.LookupOwner(l.user, l.group)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Listen, err)
	}
	spec := l.Spec
	spec.Owner = socket.OwnedBy(uid, gid)
	return socket.Open(spec)
}
