package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms lists the packages, the lowest first: each may import only those before it.
var rooms = []string{
	"supd/privdrop/prose", "supd/privdrop/files", "supd/privdrop", "supd/privdrop/attend", "supd/socket", "supd/configs",
	"supd/configs/convert",
	"supd/supervisor/measure", "supd/supervisor/output", "supd/supervisor/probe", "supd/supervisor/tree",
	"supd/supervisor/release", "supd/supervisor/api", "supd/supervisor/record", "supd/supervisor/statsd",
	"supd/supervisor/launch", "supd/supervisor/engine", "supd/supervisor", "supd/supervisor/control", "supd/metrics",
}

// leaves are what any package may import.
var leaves = []string{"supd/privdrop/files", "supd/privdrop/prose"}

// alone lists those that import nothing else of ours.
var alone = []string{"supd/privdrop/prose", "supd/privdrop/files", "supd/privdrop", "supd/socket", "supd/supervisor/measure", "supd/supervisor/output", "supd/supervisor/probe", "supd/supervisor/tree"}

// kept says which packages may import a library; no others may.
var kept = map[string][]string{
	"github.com/knadh/koanf/v2":                          {"supd/configs"},
	"github.com/fsnotify/fsnotify":                       {"supd/configs"},
	"github.com/pelletier/go-toml/v2":                    {"supd/configs", "supd/supervisor/release"}, // which reads drop-in files
	"net/http":                                           {"supd/supervisor/control", "supd/metrics", "supd/cmd/"},
	"github.com/prometheus/client_golang/prometheus":     {"supd/metrics", "supd/configs", "supd/supervisor/statsd"}, // for the types of statsd_exporter's parser and mapper
	"github.com/prometheus/client_model/go":              {"supd/metrics"},
	"github.com/prometheus/client_golang/exp/api/remote": {"supd/metrics"},
	"github.com/prometheus/common/expfmt":                {"supd/metrics"},
}

// pure are the packages that decide and do nothing, and what they may not import
// for that.
var pure = map[string][]string{
	"supd/supervisor/engine": {"os", "os/", "syscall", "net", "unsafe", "golang.org/x/sys/", "supd/privdrop", "supd/socket",
		"supd/supervisor/output", "supd/supervisor/tree", "supd/supervisor/probe", "supd/supervisor/launch"},
}

func TestImports(t *testing.T) {
	imports := importsOf(t)
	for i, room := range rooms {
		for _, path := range imports[room] {
			switch {
			case !strings.HasPrefix(path, "supd/") || strings.HasPrefix(path, room+"/"): // a part of it
			case !slices.Contains(rooms[:i], path):
				t.Errorf("%s imports %s, which lies above it", room, path)
			case !slices.Contains(leaves, path) && slices.Contains(alone, room):
				t.Errorf("%s imports %s; it may import nothing of ours but %v", room, path, leaves)
			}
		}
	}
	for library, owners := range kept {
		for pkg, paths := range imports {
			if slices.Contains(paths, library) && !startsWithOne(pkg, owners) {
				t.Errorf("%s imports %s, which only %v may", pkg, library, owners)
			}
		}
	}
	for pkg, forbidden := range pure {
		for _, path := range imports[pkg] {
			if slices.ContainsFunc(forbidden, func(f string) bool { return path == f || strings.HasSuffix(f, "/") && strings.HasPrefix(path, f) }) {
				t.Errorf("%s imports %s; it decides, and does nothing", pkg, path)
			}
		}
	}
}

// TestEveryRoomSaysWhatBelongsThere is for the doc.go of each package.
func TestEveryRoomSaysWhatBelongsThere(t *testing.T) {
	for _, room := range rooms {
		file := "../../" + strings.TrimPrefix(room, "supd/") + "/doc.go"
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%v; it says what a line in %s may touch, and in which goroutine it runs", err, room)
		}
	}
}

// importsOf lists the direct imports of each package of the module.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "supd/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		all[fields[0]] = fields[1:]
	}
	if len(all) < len(rooms) {
		t.Fatalf("go list knows only %d packages", len(all))
	}
	return all
}

func startsWithOne(s string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}
