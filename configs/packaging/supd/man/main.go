// Man writes the manual pages of supd's packages: of the programs from what they
// print as help, of the files from the reference of all keys. So no page says
// anything that is not said elsewhere, and none is forgotten.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	programs := flag.String("programs", "bin", "`directory` of supd, supctl and suprun")
	keys := flag.String("keys", "configs/README.md", "`file` with the reference of all keys")
	out := flag.String("out", "man", "`directory` for man1, man5 and man8")
	flag.Parse()
	if err := write(*programs, *keys, *out); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

// write writes all pages.
func write(programs, keys, out string) error {
	edition, err := editionOf(programs)
	if err != nil {
		return err
	}
	pages, err := ofPrograms(programs)
	if err != nil {
		return err
	}
	reference, err := os.ReadFile(keys)
	if err != nil {
		return err
	}
	pages = append(pages, ofFiles(string(reference))...)
	for _, p := range pages {
		file := filepath.Join(out, fmt.Sprintf("man%d", p.section), fmt.Sprintf("%s.%d", p.name, p.section))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(p.text(edition)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// edition is what the foot of each page says.
type edition struct {
	version string // of supd, as it prints it: "supd 1.4.0"
	date    string // 2006-01-02
}

// editionOf takes the date from SOURCE_DATE_EPOCH, so that two builds are identical.
func editionOf(programs string) (edition, error) {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return edition{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	version, err := output(programs, "supd", "--version")
	return edition{strings.TrimSpace(version), time.Unix(seconds, 0).UTC().Format(time.DateOnly)}, err
}

// output runs a program without any of the settings of this environment, which
// would come out as defaults.
func output(programs, name string, args ...string) (string, error) {
	path, err := filepath.Abs(filepath.Join(programs, name))
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	text, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text)
	}
	return string(text), nil
}
