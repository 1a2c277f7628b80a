package launch

import (
	"errors"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/supervisor/tree"
)

// GuestCommand is a Command that supd itself launches, for somebody who may run commands as
// an app's user and is not that user. It has a session of its own, a cgroup of its own where
// supd has any, and no capability: no other user's.
type GuestCommand struct {
	plan  *privdrop.Plan
	left  tree.Worker
	group int // descriptor of the cgroup; 0: none
}

// Guest makes all that the command needs. files become its standard descriptors, and stay the
// caller's.
func (l *Launcher) Guest(spec privdrop.Spec, app string, files []int) (*GuestCommand, error) {
	token := newToken()
	g := &GuestCommand{left: tree.Worker{Name: app, Command: token}}
	if spec.Account != nil {
		g.left.UID = spec.Account.UID
	}
	spec.Env = append([]string{"SUPD_COMMAND=" + token}, spec.Env...)
	spec.Files, spec.Session, spec.Capabilities = files, true, nil
	var err error
	if l.Cgroups != "" {
		if g.left.Cgroup, g.group, err = l.makeCgroup(app + ".run." + token); err != nil {
			return nil, errors.Join(err, g.Close())
		}
		spec.CgroupFD = g.group
	}
	if g.plan, err = spec.Plan(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// Start launches the command.
func (g *GuestCommand) Start() (*privdrop.Process, error) {
	process, err := g.plan.Start()
	if err == nil {
		g.left.Pid = process.Pid
	}
	return process, err
}

// Left says how the processes are known that the command leaves behind.
func (g *GuestCommand) Left() tree.Worker { return g.left }

// Close removes what was made for the command, and kills what is in its cgroup.
func (g *GuestCommand) Close() (err error) {
	if g.group != 0 {
		err = unix.Close(g.group)
	}
	if g.left.Cgroup != "" {
		err = errors.Join(err, tree.KillCgroup(g.left.Cgroup))
	}
	return err
}
