package convert

import (
	"regexp"
	"strings"
)

// madeDirectories are what systemd makes for the user of a service (systemd.exec(5)).
var madeDirectories = []struct{ setting, parent, variable string }{
	{"RuntimeDirectory", "/run", "RUNTIME_DIRECTORY"},
	{"StateDirectory", "/var/lib", "STATE_DIRECTORY"},
	{"CacheDirectory", "/var/cache", "CACHE_DIRECTORY"},
	{"LogsDirectory", "/var/log", "LOGS_DIRECTORY"},
	{"ConfigurationDirectory", "/etc", "CONFIGURATION_DIRECTORY"},
}

// directories sets the variables that tell of them. Making them is somebody else's.
func (s *service) directories() {
	for _, of := range madeDirectories {
		mode, _ := s.get(of.setting + "Mode")
		s.get(of.setting + "Preserve")
		owner := s.d.user + " " + first(s.d.group, s.d.user)
		if of.parent == "/etc" {
			owner = "root root"
		}
		var paths []string
		for _, line := range s.every(of.setting) {
			for word := range strings.FieldsSeq(s.specifiers(line.place, line.value, false)) {
				name, _, _ := strings.Cut(word, ":") // links to it follow
				path := of.parent + "/" + name
				paths = append(paths, path)
				s.note(ByHand, line.place, "%s=%s: make it at boot, with a line in /etc/tmpfiles.d: d %s %s %s", of.setting, printable(name), printable(path), first(mode, "0755"), owner)
			}
		}
		if len(paths) > 0 {
			s.d.env = append(s.d.env, variable{of.variable, literal(strings.Join(paths, ":"))})
		}
	}
}

// withoutCounterpart is what a service may rely on, and what to do about it.
var withoutCounterpart = []struct {
	setting *regexp.Regexp
	kind    Kind
	text    string
}{
	{regexp.MustCompile(`^Root(Directory|Image)`), ByHand, "the files are those of this machine: install the program here, or leave it with systemd"},
	{regexp.MustCompile(`^(Bind(ReadOnly)?Paths|TemporaryFileSystem|MountImages|ExtensionImages)$`), ByHand, "nothing is mounted for a process: mount it for all, or change the paths in its configuration"},
	{regexp.MustCompile(`^(Load|Set|Import)Credential`), ByHand, "there is no directory of credentials: let the program read a file of its user, or its env_file"},
	{regexp.MustCompile(`^RuntimeMaxSec$|^RuntimeRandomizedExtraSec$`), ByHand, "workers are not replaced by age; a timer with supctl restart does it"},
	{regexp.MustCompile(`^RestartPreventExitStatus$`), ByHand, "with restart = \"on-failure\" no code of success_exit is followed by a start"},
	{regexp.MustCompile(`^(StandardInput|TTY|UtmpMode)`), ByHand, "standard input is empty, and there is no terminal"},
	{regexp.MustCompile(`^(Failure|Success)Action|^StartLimitAction$|^RebootArgument$`), ByHand, "no end of a process does anything to the machine: hooks.on_failure runs a command"},
	{regexp.MustCompile(`^(PermissionsStartOnly|RootDirectoryStartOnly)$`), ByHand, "hooks run as the user of the process: do what needs root elsewhere"},
	{regexp.MustCompile(`^SyslogIdentifier$`), Different, "lines are marked with the name of the worker (journal: SUPD_WORKER)"},
	{regexp.MustCompile(`^UnsetEnvironment$`), ByHand, "take the variables out of env and env_file"},
	{regexp.MustCompile(`^PAMName$`), ByHand, "no session is opened: set limits and variables here"},
	{regexp.MustCompile(`^(RestartForceExitStatus|RestartSteps|RestartMaxDelaySec|RestartMode)$`), Different, "see restart and backoff"},
	{regexp.MustCompile(`^(CPUScheduling|Timer|Personality|NUMA|CoredumpFilter|MountFlags)`), Different, "the process has the machine's default"},
	{regexp.MustCompile(`^Log(Level|Extra|Filter|Name|Rate)`), Different, "the log is supd's own, see log"},
}

// rest notes what is left.
func (s *service) rest() {
	for _, line := range s.every("SupplementaryGroups") {
		s.note(ByHand, line.place, "SupplementaryGroups=%s: add the user to them, or set groups, which is all of them", printable(line.value))
	}
	for _, name := range []string{"OnFailure", "OnSuccess"} {
		if v, set := s.last("Unit." + name); set {
			s.note(ByHand, v.place, "%s=%s: hooks.on_failure runs a command, or alert on supd_worker_restarts_total", name, printable(v.value))
		}
	}
	for _, key := range s.order {
		section, name, _ := strings.Cut(key, ".")
		if section != "Unit" && section != "Install" && !s.used[name] && !strings.HasPrefix(name, "X-") {
			s.without(key, name)
		}
	}
}

// without notes a setting that has no place here. Its values may be secret.
func (s *service) without(key, name string) {
	v, set := s.last(key)
	if !set {
		return
	}
	for _, known := range withoutCounterpart {
		if known.setting.MatchString(name) {
			s.note(known.kind, v.place, "%s: %s", name, known.text)
			return
		}
	}
	s.note(Dropped, v.place, "%s has no counterpart", name)
}
