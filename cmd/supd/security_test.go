package main_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPage: each test that the page names is there, and each promise names one.
func TestSecurityPage(t *testing.T) {
	page, err := os.ReadFile("../../configs/docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	known := map[string]bool{}
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range tests.FindAllStringSubmatch(string(text), -1) {
			known[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\*(Test\w+)\*`)
	for _, m := range named.FindAllStringSubmatch(string(page), -1) {
		if !known[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
	}
	promises := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], " ---") || strings.HasPrefix(cells[1], " supd promises") {
			continue
		}
		promises++
		scripts := regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[3], -1)
		if len(scripts)+len(named.FindAllString(cells[3], -1)) == 0 {
			t.Errorf("no test holds this: %s", line)
		}
		for _, m := range scripts {
			if _, err := os.Stat("testdata/script/" + m[1] + ".txtar"); err != nil {
				t.Error(err)
			}
		}
	}
	if promises < 10 {
		t.Errorf("%d promises were found", promises)
	}
}
