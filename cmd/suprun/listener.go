package main

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"supd/privdrop"
	"supd/socket"
)

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

// open opens the socket on behalf of as, if anybody.
func (l listener) open(as *privdrop.Account) (*socket.Socket, error) {
	uid, gid, err := privdrop.LookupOwner(l.user, l.group)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Listen, err)
	}
	spec := l.Spec
	spec.Owner = socket.OwnedBy(uid, gid)
	if as != nil {
		spec.As = as.Files()
	}
	return socket.Open(spec)
}
