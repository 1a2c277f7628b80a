package main

import (
	"fmt"
	"strconv"
	"strings"

	"supd/privdrop"
)

const usage = `usage: suprun [OPTION…] [--] COMMAND [ARGUMENT…]

Runs COMMAND in this process's place: with the user, groups, limits and
capabilities that are named, no_new_privs, and no other descriptor, capability,
key or environment variable. Without --user the identity stays as it is. Nice,
scheduling class, io priority, CPUs and oom score are the machine's defaults, unless
an option says otherwise, whatever suprun was started from; the umask is 0027.

As another user and with a terminal, COMMAND gets a session of its own, since it
could type into this one. suprun then waits for it, passes signals on, and ends with
its exit status, or 128 and the number of the signal that has ended it. COMMAND cannot
open /dev/tty then; --no-session is for commands that must.

  --user NAME               user, a name or uid
  --group NAME              group; default: the user's primary group
  --groups NAME,…           supplementary groups; default: those of the user; "" is none
  --allow-root              allow uid 0, gid 0 or group 0
  --cap NAME,…              capability to keep, such as net_bind_service; @container is
                            what root needs to change to other users, as nginx does
  --limit NAME=LIMIT        nofile=4096, as=512MiB, core=0, nproc=100:200 (soft:hard)
  --umask OCTAL             such as 0027
  --nice N                  -20 to 19
  --oom-score-adjust N      -1000 to 1000
  --cpu-affinity CPU,…      such as 0,2-3
  --directory DIR           working directory, entered as the user
  --env NAME=VALUE          environment variable
  --env-inherit NAME,…      environment variable to take along
  --listen ADDRESS[,KEY=…]  listening socket to pass as LISTEN_FDS does: tcp:HOST:PORT,
                            udp:HOST:PORT or unix:PATH; keys name, user, group, mode, backlog
  --session                 make a session of its own
  --no-session              stay in this one, also with another user and a terminal
  --explain                 print the system calls instead
  --version, --help

--cap, --limit, --env, --env-inherit and --listen may be given several times.
The environment is HOME, USER, LOGNAME, SHELL and PATH of the user, TERM if set,
and what --env and --env-inherit say.

Exit status: 2 usage, 125 the launch failed, 126 COMMAND cannot be executed,
127 it was not found, else COMMAND's own.
`

// options are the command line.
type options struct {
	identity privdrop.Identity
	launch   privdrop.Spec // filled by the flags
	env      []string      // NAME=VALUE
	inherit  []string
	sockets  []listener

	help, version, explain, noSession bool
}

// parse reads flags up to the first argument that is no flag: there the command
// begins.
func parse(args []string) (*options, error) {
	o := new(options)
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			break
		}
		name, value, given := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if flag := o.boolean(name); flag != nil && strings.HasPrefix(arg, "--") {
			if given {
				return nil, fmt.Errorf("--%s takes no value", name)
			}
			*flag = true
			continue
		}
		set, known := setters[name]
		if !known || !strings.HasPrefix(arg, "--") {
			return nil, fmt.Errorf("unknown option %s", arg)
		}
		if !given {
			if len(args) == 0 {
				return nil, fmt.Errorf("--%s needs a value", name)
			}
			value, args = args[0], args[1:]
		}
		if err := set(o, value); err != nil {
			return nil, fmt.Errorf("--%s: %w", name, err)
		}
	}
	o.launch.Argv = args
	return o, o.check()
}

func (o *options) check() error {
	switch {
	case o.help || o.version:
		return nil
	case len(o.launch.Argv) == 0:
		return fmt.Errorf("no command")
	case o.identity.User == "" && (o.identity.Group != "" || o.identity.Groups != nil):
		return fmt.Errorf("--group and --groups need --user")
	case o.launch.Session && o.noSession:
		return fmt.Errorf("--session and --no-session exclude each other")
	}
	return nil
}

func (o *options) boolean(name string) *bool {
	switch name {
	case "allow-root":
		return &o.launch.AllowRoot
	case "session":
		return &o.launch.Session
	case "no-session":
		return &o.noSession
	case "explain":
		return &o.explain
	case "version":
		return &o.version
	case "help":
		return &o.help
	}
	return nil
}

var setters = map[string]func(*options, string) error{
	"user":             setText(func(o *options) *string { return &o.identity.User }),
	"group":            setText(func(o *options) *string { return &o.identity.Group }),
	"directory":        setText(func(o *options) *string { return &o.launch.Dir }),
	"nice":             setNumber(func(o *options) **int { return &o.launch.Nice }),
	"oom-score-adjust": setNumber(func(o *options) **int { return &o.launch.OOMScoreAdjust }),
	"groups":           func(o *options, s string) error { o.identity.Groups = names(s); return nil },
	"cap":              (*options).addCapabilities,
	"limit":            (*options).addLimit,
	"umask":            (*options).setUmask,
	"cpu-affinity":     (*options).setAffinity,
	"env":              (*options).addEnv,
	"env-inherit":      func(o *options, s string) error { o.inherit = append(o.inherit, names(s)...); return nil },
	"listen":           (*options).addSocket,
}

func setText(field func(*options) *string) func(*options, string) error {
	return func(o *options, s string) error {
		if s == "" {
			return fmt.Errorf("empty")
		}
		*field(o) = s
		return nil
	}
}

func setNumber(field func(*options) **int) func(*options, string) error {
	return func(o *options, s string) error {
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		*field(o) = &n
		return nil
	}
}

// names splits at commas; "" gives an empty slice that is not nil.
func names(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

func (o *options) addCapabilities(s string) error {
	for _, name := range names(strings.ToLower(s)) {
		name = strings.TrimPrefix(name, "cap_")
		if _, err := privdrop.ParseCapability(name); err != nil && name != privdrop.Container {
			return err
		}
		o.launch.Capabilities = append(o.launch.Capabilities, name)
	}
	return nil
}

func (o *options) addLimit(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return fmt.Errorf("%q is not NAME=LIMIT", s)
	}
	var limit privdrop.Limit
	if err := limit.UnmarshalText([]byte(value)); err != nil {
		return err
	}
	if o.launch.Limits == nil {
		o.launch.Limits = privdrop.Limits{}
	}
	o.launch.Limits[name] = limit
	return nil
}

func (o *options) setUmask(s string) error {
	o.launch.Umask = new(privdrop.Umask)
	return o.launch.Umask.UnmarshalText([]byte(s))
}

func (o *options) setAffinity(s string) error {
	for _, part := range names(s) {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err := parseCPU(low)
		if err != nil {
			return fmt.Errorf("%q is no CPU number", low)
		}
		to, err := parseCPU(high)
		if err != nil || to < from {
			return fmt.Errorf("%q is no range of CPU numbers", part)
		}
		for cpu := from; cpu <= to; cpu++ {
			o.launch.CPUAffinity = append(o.launch.CPUAffinity, cpu)
		}
	}
	return nil
}

// parseCPU refuses what no machine has before a range of it takes up memory.
func parseCPU(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 0)
	if n > uint64(privdrop.CPURange.High) {
		err = strconv.ErrRange
	}
	return int(n), err
}

func (o *options) addEnv(s string) error {
	if name, _, ok := strings.Cut(s, "="); !ok || name == "" {
		return fmt.Errorf("%q is not NAME=VALUE", s)
	}
	o.env = append(o.env, s)
	return nil
}

func (o *options) addSocket(s string) error {
	l, err := parseListen(s)
	o.sockets = append(o.sockets, l)
	return err
}
