package launch

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"supd/configs"
	"supd/privdrop"
)

// Command is how a command runs that is no worker, with what the workers of s have but in
// no slot: it has no descriptors, directory or port of its own, and what of [env] tells of
// those it does not have. more are variables that it has beside, "NAME=value", unless the
// configuration says otherwise. The standard descriptors are this process's.
func Command(s Spec, argv, more []string) (privdrop.Spec, error) {
	vars := map[string]string{"app": s.App, "process": s.Process.Name}
	own := map[string]string{"SUPD_APP": s.App, "SUPD_PROCESS": s.Process.Name, "SUPD_VERSION": "", "SUPD_RELEASE": ""}
	if s.Release != nil {
		vars["version"], vars["release"] = s.Release.Name, s.Release.Path
		own["SUPD_VERSION"], own["SUPD_RELEASE"] = s.Release.Name, s.Release.Path
	}
	if s.Process.Name == "" {
		delete(own, "SUPD_PROCESS")
	}
	all := map[string]string{}
	for _, pair := range more {
		name, value, _ := strings.Cut(pair, "=")
		all[name] = value
	}
	maps.Copy(all, identity(s))
	of := *s.Process
	of.Env = withoutWorkers(&of)
	if err := configured(all, &of, s.Account, nil, vars); err != nil {
		return privdrop.Spec{}, err
	}
	maps.Copy(all, own)
	var env []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	spec := s.workerSpec(argv, env)
	spec.Session, spec.Watchdog = false, 0
	return spec, nil
}

// withoutWorkers is [env] without what is made of what only a worker has.
func withoutWorkers(p *configs.Process) map[string]string {
	rest := maps.Clone(p.Env)
	maps.DeleteFunc(rest, func(_, value string) bool {
		return configs.Uses(value, func(name string) bool {
			of, isEnv := strings.CutPrefix(name, "env.")
			return configs.OfWorkers(name) || isEnv && slices.Contains(p.Scratch, of)
		})
	})
	return rest
}

// configured adds to an environment what the configuration says of it. made is of what was
// made for the launch.
func configured(all map[string]string, p *configs.Process, a *privdrop.Account, made, vars map[string]string) error {
	maps.Copy(all, p.Inherited(os.Environ()))
	if p.EnvFile != "" {
		file, err := configs.ReadEnvFile(p.EnvFile, a)
		if err != nil {
			return err
		}
		maps.Copy(all, file)
	}
	maps.Copy(all, made) // for [env]
	setLocale(all, p.Env)
	if err := expandEnv(all, p.Env, vars); err != nil {
		return err
	}
	if p.Venv != "" {
		all["VIRTUAL_ENV"] = p.Venv
		all["PATH"] = filepath.Join(p.Venv, "bin") + ":" + all["PATH"]
	}
	return nil
}
