package main

import (
	"errors"
	"os"
	"path/filepath"
)

// versions are the two that are swapped: the same files, installed side by side.
var versions = []string{"1", "2"}

// released starts a supd beneath parent with an app that has both versions, in
// "@DIR@/releases", and the first of them deployed. install fills the directory of
// a version. rollout is the app's [rollout].
func (b *bench) released(parent, app, rollout string, install func(dir string) error) (d *daemon, err error) {
	d, err = b.configured(parent, map[string]string{"bench": "[release]\ndirectory = \"@DIR@/releases\"\n" + app + rollout})
	if err != nil {
		return nil, err
	}
	for _, version := range versions {
		dir := filepath.Join(d.dir, "releases", version)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if err := install(dir); err != nil {
			return nil, err
		}
		if _, err := d.supctl("register", "bench", version); err != nil {
			return nil, err
		}
	}
	if _, err := d.supctl("register", "bench", versions[0], "--deploy"); err != nil {
		return nil, err
	}
	if err := d.launch(); err != nil {
		return nil, err
	}
	err = d.ready()
	if err == nil {
		_, err = d.supctl("deploy", "bench", versions[0]) // joins the deploy under way, if there is one
	}
	if err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

// rolloutAtOnce is a rollout without any pause.
const rolloutAtOnce = `
[rollout]
min_ready = "0s"
bake      = "0s"
`
