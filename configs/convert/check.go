package convert

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"supd/configs"
)

// check has configs check the result, in a directory of its own: what is wrong with it
// needs a hand, and what this machine lacks may be on the one that it is for.
func (c *conversion) check(apps []App) error {
	dir, err := os.MkdirTemp("", "supctl-convert-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var files []string
	for _, a := range apps {
		file := filepath.Join(dir, a.Name+".toml")
		files = append(files, file)
		for _, one := range append(a.Secrets, File{a.Name + ".toml", a.Text}) {
			if err := os.WriteFile(filepath.Join(dir, one.Name), []byte(one.Text), 0o600); err != nil {
				return err
			}
		}
	}
	config, err := configs.LoadFiles(filepath.Join(dir, "supd.toml"), files...)
	if all, is := errors.AsType[*configs.Errors](err); is {
		c.invalid(*all)
		return nil
	}
	if err != nil {
		return err
	}
	for _, one := range config.Invalid {
		c.invalid(one.Errors)
	}
	for _, e := range config.Verify() {
		c.report.add(Host, "", place{}, withoutDir(dir, e.Error()))
	}
	if c.options.Start != nil {
		c.start(dir, config, apps)
	}
	for _, w := range config.Traps() {
		if text := withoutDir(dir, w.String()); !strings.Contains(text, filepath.Base(dir)) {
			c.trap(w)
		}
	}
	return nil
}

// start notes what a start would say of the apps. What it says of supd itself is about
// another configuration than the one that will be.
func (c *conversion) start(dir string, config *configs.Config, apps []App) {
	for _, err := range c.options.Start(config) {
		text := withoutDir(dir, err.Error())
		if slices.ContainsFunc(apps, func(a App) bool { return strings.HasPrefix(text, a.Name+".toml:") }) {
			c.report.add(Host, "", place{}, text)
		}
	}
}

// trap notes once what several processes have in common.
func (c *conversion) trap(w configs.Warning) {
	key, of := w.Key, ""
	if in, is := strings.CutPrefix(key, "process."); is {
		of, key, _ = strings.Cut(in, ".")
		of = strings.TrimSuffix(filepath.Base(w.File), ".toml") + "/" + of
	}
	c.report.add(Host, of, place{w.File, w.Line}, "warning: "+strings.TrimPrefix(key+": "+w.Msg, ": "))
}

func (c *conversion) invalid(all configs.Errors) {
	for _, e := range all {
		c.report.add(ByHand, "", place{e.File, e.Line}, "supctl check: "+strings.TrimPrefix(e.Key+": "+e.Msg, ": "))
	}
}

func withoutDir(dir, text string) string { return strings.ReplaceAll(text, dir+"/", "") }
