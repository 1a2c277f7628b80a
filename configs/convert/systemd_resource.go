package convert

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// resources are limits and priorities.
func (s *service) resources() {
	var limits []pair
	for _, name := range []string{"nofile", "nproc", "core", "as", "fsize", "memlock", "stack"} {
		key := "Limit" + strings.ToUpper(name)
		value, at := s.get(key)
		if value == "" {
			continue
		}
		limit, ok := limitOf(value)
		if name == "nofile" && strings.Contains(value, "infinity") {
			limit = itoa(mostFiles)
			s.note(Different, at, "LimitNOFILE=infinity: it is %d here, the kernel's own limit (fs.nr_open) where nobody has raised that", mostFiles)
		}
		if !ok {
			s.errors.add(at, "%s: %q is no limit", key, value)
			continue
		}
		limits = append(limits, pair{name, limit})
	}
	if len(limits) > 0 {
		s.d.set("limits", inline(limits...))
	}
	for _, one := range []struct{ theirs, ours string }{{"Nice", "nice"}, {"OOMScoreAdjust", "oom_score_adjust"}} {
		value, at := s.get(one.theirs)
		if _, err := strconv.Atoi(value); err == nil {
			s.d.set(one.ours, strings.TrimPrefix(value, "+"))
		} else if value != "" {
			s.errors.add(at, "%s: %q is no whole number", one.theirs, value)
		}
	}
	s.processors()
	s.capabilities()
}

// mostFiles is the kernel's limit of nofile, above which nobody may set it.
const mostFiles = 1 << 20

// limitOf is one number, or soft:hard, with units of 1024.
func limitOf(value string) (string, bool) {
	var parts []string
	for _, part := range strings.SplitN(value, ":", 2) {
		unit := int64(1)
		if part != "" {
			if i := strings.IndexByte("KMGT", part[len(part)-1]); i >= 0 {
				unit, part = 1<<(10*(i+1)), part[:len(part)-1]
			}
		}
		if part == "infinity" {
			parts = append(parts, "unlimited")
			continue
		}
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 0 || n > (1<<62)/unit {
			return "", false
		}
		parts = append(parts, strconv.FormatInt(n*unit, 10))
	}
	if len(parts) == 1 && parts[0] != "unlimited" {
		return parts[0], true
	}
	return quote(strings.Join(parts, ":")), true
}

func (s *service) processors() {
	var cpus []string
	for _, line := range s.every("CPUAffinity") {
		for _, word := range strings.FieldsFunc(line.value, func(c rune) bool { return c == ' ' || c == ',' }) {
			from, to, isRange := strings.Cut(word, "-")
			low, err := strconv.Atoi(from)
			high := low
			if isRange && err == nil {
				high, err = strconv.Atoi(to)
			}
			if err != nil || low < 0 || high < low || high > 8191 {
				s.errors.add(line.place, "CPUAffinity: %q is no list of processors", word)
				return
			}
			for n := low; n <= high; n++ {
				cpus = append(cpus, itoa(n))
			}
		}
	}
	if len(cpus) > 0 {
		s.d.set("cpu_affinity", "["+strings.Join(cpus, ", ")+"]")
	}
}

// capabilities are those that it has without asking: ambient ones, and root's.
func (s *service) capabilities() {
	names := func(key string) (all []string) {
		for _, line := range s.every(key) {
			for _, name := range strings.Fields(line.value) {
				if strings.HasPrefix(name, "~") {
					s.note(Different, line.place, "%s=~…: no process has other capabilities than those that it is given", key)
					return nil
				}
				all = append(all, strings.ToLower(strings.TrimPrefix(strings.ToUpper(name), "CAP_")))
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	ambient, bounding := names("AmbientCapabilities"), names("CapabilityBoundingSet")
	switch {
	case isRoot(s.d.user) && len(bounding) > 0:
		s.d.set("capabilities", list(bounding))
	case isRoot(s.d.user):
		s.d.set("capabilities", list([]string{"@container"}))
	case len(ambient) > 0:
		s.d.set("capabilities", list(ambient))
	}
}

// logs: the journal, unless something else is said.
func (s *service) logs() {
	out, at := s.get("StandardOutput")
	errs, errAt := s.get("StandardError")
	if errs != "" && errs != "inherit" && errs != first(out, "journal") {
		s.note(Different, errAt, "StandardError goes where StandardOutput goes")
	}
	kind, path, _ := strings.Cut(out, ":")
	switch kind {
	case "", "journal", "journal+console", "inherit":
		s.d.set("log", inline(pair{"to", quote("journal")}))
	case "syslog", "syslog+console":
		s.d.set("log", inline(pair{"to", quote("syslog")}))
	case "null":
		s.d.set("log", inline(pair{"to", quote("none")}))
	case "file", "append", "truncate":
		s.d.set("log", inline(pair{"file", quote(literal(s.specifiers(at, path, false)))}))
		s.note(Converted, at, "the log is rotated at 50 MiB, see max_size and keep of log")
	default:
		s.unable(at, "StandardOutput=%s has no counterpart", printable(out))
	}
}

var hardening = regexp.MustCompile(`^(Private|Protect|Restrict|ReadWrite|ReadOnly|Inaccessible|NoExecPaths|ExecPaths|SystemCall|Memory(Deny|Max|High|Low|Swap)|CPU(Quota|Weight)|Tasks|IO|IP|Lock|Device|Slice|Delegate|KeyringMode|ProcSubset|SecureBits|UtmpIdentifier|RemoveIPC)`)

// hardened notes what narrows a service and has no counterpart here.
func (s *service) hardened() {
	for _, key := range s.order {
		name, is := strings.CutPrefix(key, "Service.")
		if !is || s.used[name] || !hardening.MatchString(name) {
			continue
		}
		s.used[name] = true
		if v, set := s.last(key); set && v.value != "no" && v.value != "false" {
			s.note(Different, v.place, "%s: it is not narrowed so here; without root's rights, capabilities and set-user-ID it is always", name)
		}
	}
	s.get("NoNewPrivileges")
}
