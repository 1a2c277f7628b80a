package main

import (
	"os"

	"supd/privdrop"
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
