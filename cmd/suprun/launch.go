package main

import (
	"os"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/privdrop/attend"
)

// defaultUmask is that of supd's workers.
const defaultUmask privdrop.Umask = 0o027

// run becomes the command, or waits for it and ends with it. It returns only if that
// fails, or if only the plan was to be shown.
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
	if !o.noSession && attend.OwnSession(s.Account) {
		s.Session = true
	}
	s.Env = o.environment(s.Account)
	if s.Umask == nil {
		s.Umask = new(defaultUmask)
	}
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
	return plan.Explain(stdout)
}

// become opens the sockets, which stay open for the command. If that cannot be run,
// they are closed, and a socket's path is removed.
func (o *options) become() error {
	for _, l := range o.sockets {
		sock, err := l.open(o.launch.Account)
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
	if !o.launch.Session || !attend.IsNeeded() {
		return plan.Exec()
	}
	end, err := attend.Run(plan, func() {
		for _, fd := range o.launch.Files[3:] {
			unix.Close(fd) // it is the command's now
		}
	})
	if err != nil {
		return err
	}
	os.Exit(end.Status())
	return nil
}
