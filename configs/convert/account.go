package convert

import (
	"path/filepath"
	"slices"
	"strings"
)

// account sets the user of a process, and gives what is to be run as it.
func (p *program) account(d *process, argv []string) []string {
	user, o := p.get("user")
	if o != nil && user == "" {
		p.errors.add(o.place, "user: is empty")
	}
	if d.user = user; user == "" {
		d.user = p.mainUser()
	}
	argv = p.unwrap(d, argv)
	switch {
	case p.missing || d.user != "":
	case p.options.User != "":
		d.user = p.options.User
	default:
		d.user = "root"
		p.note(AsRoot, nil, "no user: supervisord ran it as itself, which is root mostly, and so does supd with allow_root and the capabilities that root has in a container; say --user NAME for a user of its own")
	}
	return argv
}

// mainUser is whom supervisord became itself, unless that is root.
func (p *program) mainUser() string {
	o := p.main.option("user")
	if o == nil {
		return ""
	}
	user, _ := p.getIn(o)
	if isRoot(user) {
		return ""
	}
	return user
}

// home notes whose HOME it was.
func (p *program) home(d *process) {
	sets := func(v variable) bool { return v.name == "HOME" }
	if !isRoot(d.user) && !slices.ContainsFunc(d.env, sets) {
		p.differs(p.option("user"), "HOME, USER, LOGNAME and SHELL are those of its user; supervisord left those that it had itself, root's mostly")
	}
}

// capable gives root what it keeps in a container: without it a server cannot become
// its own user. It is what the report says first.
func (p *program) capable(d *process, argv []string) {
	if isRoot(d.user) {
		d.set("capabilities", list(keeps(argv)))
		if o := p.option("user"); o != nil {
			p.note(AsRoot, o, "it runs as root, and root has the capabilities that it has in a container, and no others")
		}
	}
}

// keeps are the capabilities of a program that runs as root: those of root in a container,
// which sshd has two more of, for its unprivileged half and for logins.
func keeps(argv []string) []string {
	if len(argv) > 0 && filepath.Base(argv[0]) == "sshd" {
		return []string{"@container", "sys_chroot", "audit_write"}
	}
	return []string{"@container"}
}

// unwrap takes off what changes to another user: a process has one from the beginning,
// and nothing can gain rights afterwards.
func (p *program) unwrap(d *process, argv []string) []string {
	name, command := changesUser(argv)
	user, group, _ := strings.Cut(name, ":")
	if user == "" || strings.ContainsRune(name, firstMark) || d.user != "" && !isRoot(d.user) && d.user != user {
		return argv
	}
	p.differs(p.option("command"), filepath.Base(argv[0])+" is left out: user says the same, and HOME, USER and LOGNAME are that user's")
	d.user, d.group = user, group
	return command
}

// changesUser gives the user that a command becomes, also as USER:GROUP, and what it runs
// as such; "" where it is none of the simple forms.
func changesUser(argv []string) (user string, command []string) {
	switch name := filepath.Base(argv[0]); {
	case slices.Contains([]string{"gosu", "su-exec", "setuidgid", "s6-setuidgid"}, name) && len(argv) > 2 && argv[1][0] != '-':
		return argv[1], argv[2:]
	case name == "sudo" && len(argv) > 3 && argv[1] == "-u" && argv[3] != "" && argv[3][0] != '-':
		return argv[2], argv[3:]
	case name == "su":
		return changedBySu(argv[1:])
	}
	return "", nil
}

// changedBySu reads [-] [-s SHELL] USER [-s SHELL] -c COMMAND.
func changedBySu(args []string) (user string, command []string) {
	shell, line := "/bin/sh", ""
	for i := 0; i < len(args); i++ {
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		switch arg := args[i]; {
		case arg == "-" || arg == "-l" || arg == "--login":
		case arg == "-s" || arg == "--shell":
			shell = value
			i++
		case arg == "-c" || arg == "--command":
			line = value
			i++
		case user == "" && arg != "" && arg[0] != '-':
			user = arg
		default:
			return "", nil
		}
	}
	if line == "" || shell == "" {
		return "", nil
	}
	return user, []string{shell, "-c", line}
}
