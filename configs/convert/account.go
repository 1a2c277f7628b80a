package convert

import (
	"path/filepath"
	"slices"
	"strings"

	"supd/privdrop"
)

// account sets the user of a process, and gives what is to be run as it.
func (p *program) account(d *process, argv []string) []string {
	user, o := p.get("user")
	main := p.mainUser()
	switch {
	case o != nil && user == "":
		p.errors.add(o.place, "user: is empty")
	case strings.Contains(user, "\n"):
		p.errors.add(o.place, "user: goes on in an indented line, so that supervisord refuses it")
	case main != "" && user != "" && !sameUser(user, main):
		p.missing = true
		p.note(ByHand, o, "not converted: it never started, for supervisord ran as "+main+" and could not become another user; say which user is right")
	}
	if d.user = user; user == "" {
		d.user = main
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

// sameUser compares names and numbers, as far as they are known here.
func sameUser(a, b string) bool {
	one, err := privdrop.Lookup(privdrop.Identity{User: a})
	other, bad := privdrop.Lookup(privdrop.Identity{User: b})
	return a == b || err == nil && bad == nil && one.UID == other.UID
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
	c := changesUser(argv)
	user, group, _ := strings.Cut(c.user, ":")
	if user == "" || strings.ContainsRune(c.user, firstMark) || d.user != "" && !isRoot(d.user) && d.user != user {
		return argv
	}
	o := p.option("command")
	p.differs(o, filepath.Base(argv[0])+" is left out: user says the same, and HOME, USER and LOGNAME are that user's")
	d.user, d.group = user, group
	d.wrapped = c.sets
	if c.clears {
		p.differs(o, "the program has the whole environment, of which sudo left little")
	}
	if c.line == "" {
		return c.command
	}
	return p.bySu(d, c)
}

// bySu gives the command of the shell that su starts: that of the user, where su names none.
func (p *program) bySu(d *process, c change) []string {
	o := p.option("command")
	account, err := privdrop.Lookup(privdrop.Identity{User: c.user})
	if c.shell == "" {
		c.shell = "/bin/sh"
		if err == nil {
			c.shell = account.Shell
		} else {
			p.differs(o, "su runs the shell of the user, which is not known here: it is /bin/sh; write another one into command")
		}
		if name := filepath.Base(c.shell); name == "nologin" || name == "false" {
			p.note(Never, o, "su runs the shell of the user, which is "+c.shell+" here, and runs nothing")
		}
	}
	if !c.login {
		return []string{c.shell, "-c", replacing(c.line)}
	}
	d.login = true
	p.differs(o, "su - begins as a login does: with the variables of a login alone, and in the home directory; environment and directory have no effect")
	if err == nil {
		d.home = account.Home
	} else {
		p.note(ByHand, o, "write the home directory of "+c.user+" into directory: su - starts there")
	}
	return []string{c.shell, "-l", "-c", replacing(c.line)}
}

// change is what a command does that becomes another user.
type change struct {
	user    string   // also USER:GROUP; "" where it is none of the simple forms
	command []string // as that user
	shell   string   // instead of a command: what runs line; "" is the user's
	line    string
	login   bool
	sets    []variable // for the command
	clears  bool       // most of the environment
}

func changesUser(argv []string) change {
	switch name := filepath.Base(argv[0]); {
	case slices.Contains([]string{"gosu", "su-exec", "setuidgid", "s6-setuidgid"}, name) && len(argv) > 2 && !strings.HasPrefix(argv[1], "-"):
		return change{user: argv[1], command: argv[2:]}
	case name == "chpst" && len(argv) > 3 && argv[1] == "-u" && argv[3] != "" && !strings.HasPrefix(argv[3], "-"):
		return change{user: argv[2], command: argv[3:]}
	case name == "sudo":
		c := changedBySudo(argv[1:])
		c.takeVariables()
		return c
	case name == "runuser" && slices.Contains(argv, "-u"):
		c := changedBySudo(argv[1:])
		c.clears = false
		return c
	case name == "su", name == "runuser":
		return changedBySu(argv[1:])
	}
	return change{}
}

// takeVariables takes what sudo sets off the command.
func (c *change) takeVariables() {
	for len(c.command) > 1 {
		name, value, is := strings.Cut(c.command[0], "=")
		if !is || !isName(name) {
			return
		}
		c.sets = append(c.sets, variable{name, value})
		c.command = c.command[1:]
	}
}

// changedBySudo reads -u USER [-g GROUP] [-E] [-H] [-n] [--] COMMAND.
func changedBySudo(args []string) (c change) {
	group := ""
	c.clears = true
	for i := 0; i < len(args); i++ {
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		switch arg := args[i]; {
		case arg == "-u" || arg == "--user":
			c.user = value
			i++
		case arg == "-g" || arg == "--group":
			group = ":" + value
			i++
		case strings.HasPrefix(arg, "--user="):
			c.user = strings.TrimPrefix(arg, "--user=")
		case arg == "-E":
			c.clears = false
		case arg == "-H" || arg == "-n" || arg == "--":
		case arg == "" || arg[0] == '-' || c.user == "":
			return change{}
		default:
			c.user, c.command = c.user+group, args[i:]
			return c
		}
	}
	return change{}
}

// changedBySu reads [-] [-s SHELL] USER [-s SHELL] -c COMMAND.
func changedBySu(args []string) (c change) {
	for i := 0; i < len(args); i++ {
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		switch arg := args[i]; {
		case arg == "-" || arg == "-l" || arg == "--login":
			c.login = true
		case arg == "-s" || arg == "--shell":
			c.shell = value
			i++
		case arg == "-c" || arg == "--command":
			c.line = value
			i++
		case c.user == "" && arg != "" && arg[0] != '-':
			c.user = arg
		default:
			return change{}
		}
	}
	if c.line == "" {
		return change{}
	}
	return c
}
