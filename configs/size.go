package configs

import (
	"maps"

	"supd/privdrop"
)

// sizes wants what execve(2) takes of arguments and variables: each, and all together.
// What is known at the launch alone counts as it is written.
func (v *verification) sizes(p *Process) {
	for _, one := range p.programs() {
		for i, arg := range one.argv {
			if err := privdrop.TooLong(v.known(p, arg)); err != nil {
				v.fail(p.Name, one.key, "argument %d %s", i, err)
			}
		}
	}
	for _, name := range sortedKeys(v.file) {
		if err := privdrop.TooLong(name + "=" + v.file[name]); err != nil {
			v.fail(p.Name, "env_file", "%s: %s %s", p.EnvFile, name, err)
		}
	}
	for _, name := range sortedKeys(p.Env) {
		if err := privdrop.TooLong(name + "=" + v.known(p, p.Env[name])); err != nil {
			v.fail(p.Name, dotted("env", name), "%s", err)
		}
	}
	v.sum(p)
}

// sum blames what is largest.
func (v *verification) sum(p *Process) {
	all := maps.Clone(v.file)
	if all == nil {
		all = map[string]string{}
	}
	key, sizes := "command", map[string]int{}
	for _, arg := range p.Command {
		sizes["command"] += len(arg)
	}
	for name, value := range v.file {
		sizes["env_file"] += len(name) + len(value)
	}
	for name, value := range p.Env {
		sizes["env"] += len(name) + len(value)
		all[name] = v.known(p, value)
	}
	for _, other := range []string{"env", "env_file"} {
		if sizes[other] > sizes[key] {
			key = other
		}
	}
	var env, argv []string
	for name, value := range all {
		env = append(env, name+"="+value)
	}
	for _, arg := range p.Command {
		argv = append(argv, v.known(p, arg))
	}
	if err := privdrop.TooMuch("", argv, env, p.Limits.StackLimit()); err != nil {
		v.fail(p.Name, key, "%s", err)
	}
}

// known is expand, or s itself where a variable is not known.
func (v *verification) known(p *Process, s string) string {
	if expanded, ok := v.expand(p, s); ok {
		return expanded
	}
	return s
}
