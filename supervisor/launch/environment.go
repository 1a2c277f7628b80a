package launch

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"supd/configs"
)

// environment gives the command and the whole environment of a launch, with all
// variables expanded. LISTEN_* and WATCHDOG_* are privdrop's to add. Of two
// settings of a name the later wins: LANG, the account's, env_inherit, env_file,
// scratch, [env], STATSD_* and SUPD_*. statsd is valid for a process that has a port.
func environment(s Spec, runtimeDir, notify string, statsd netip.AddrPort) (argv, env []string, err error) {
	p := s.Process
	vars := variables(s)
	all := identity(s)
	if statsd.IsValid() {
		vars["statsd"] = statsd.String()
		maps.Copy(all, statsdEnv(statsd)) // for [env]
	}
	if err := configured(all, p, s.Account, scratchEnv(p, runtimeDir), vars); err != nil {
		return nil, nil, err
	}
	maps.Copy(all, supdEnv(s, runtimeDir, notify))
	if statsd.IsValid() { // an old setting of the same name would lead elsewhere
		maps.Copy(all, statsdEnv(statsd))
	}
	for name, value := range all {
		vars["env."+name] = value
	}
	for _, arg := range p.Command {
		arg, err := configs.Expand(arg, vars)
		if err != nil {
			return nil, nil, fmt.Errorf("command: %w", err)
		}
		argv = append(argv, arg)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	return argv, env, nil
}

// locale is UTF-8 in no language in particular. Without one the C library takes all but
// ASCII for an error: uWSGI's Python cannot print or open what has an umlaut.
const locale = "C.UTF-8"

// setLocale sets LANG unless that, or what overrides it (locale(7)), is set or will be
// by more.
func setLocale(all, more map[string]string) {
	for _, name := range []string{"LANG", "LC_ALL"} {
		for _, env := range []map[string]string{all, more} {
			if _, set := env[name]; set {
				return
			}
		}
	}
	all["LANG"] = locale
}

// expandEnv adds [env]; its values may use what is set already as {env.NAME}.
func expandEnv(all, env, vars map[string]string) error {
	for name, value := range all {
		vars["env."+name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		value, err := configs.Expand(env[name], vars)
		if err != nil {
			return fmt.Errorf("env.%s: %w", name, err)
		}
		all[name] = value
	}
	return nil
}

// addEnv makes the environment's variables known as {env.NAME}.
func addEnv(vars map[string]string, env []string) {
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		vars["env."+name] = value
	}
}

func variables(s Spec) map[string]string {
	vars := map[string]string{
		"app": s.App, "process": s.Process.Name,
		"slot": strconv.Itoa(s.Slot), "slot0": strconv.Itoa(s.slot0()), "generation": strconv.Itoa(s.Generation),
	}
	for i, name := range s.Process.Sockets {
		vars["socket."+name] = strconv.Itoa(3 + i)
	}
	if s.Release != nil {
		vars["version"], vars["release"] = s.Release.Name, s.Release.Path
	}
	if s.hasProbe() {
		vars["socket.probe"] = strconv.Itoa(3 + len(s.Process.Sockets))
	}
	return vars
}

// slot0 counts the slots from 0. A candidate, whose slot is 0, comes after them all.
func (s Spec) slot0() int {
	if s.Candidate {
		return s.Process.Count
	}
	return s.Slot - 1
}

// identity is what login(1) would set.
func identity(s Spec) map[string]string {
	a := s.Account
	return map[string]string{
		"HOME": a.Home, "USER": a.Name, "LOGNAME": a.Name, "SHELL": a.Shell, "PATH": configs.WorkerPath,
	}
}

// scratchEnv are the variables that name a directory of this launch alone.
func scratchEnv(p *configs.Process, runtimeDir string) map[string]string {
	all := map[string]string{}
	for _, name := range p.Scratch {
		all[name] = filepath.Join(runtimeDir, name)
	}
	return all
}

func supdEnv(s Spec, runtimeDir, notify string) map[string]string {
	version, path := "", ""
	if s.Release != nil {
		version, path = s.Release.Name, s.Release.Path
	}
	env := map[string]string{
		"SUPD_APP": s.App, "SUPD_PROCESS": s.Process.Name, "SUPD_SLOT": strconv.Itoa(s.Slot),
		"SUPD_WORKER": s.Name(), "SUPD_GENERATION": strconv.Itoa(s.Generation),
		"SUPD_VERSION": version, "SUPD_RELEASE": path,
		"XDG_RUNTIME_DIR": runtimeDir,
	}
	if notify != "" {
		env["NOTIFY_SOCKET"] = notify
	}
	return env
}
