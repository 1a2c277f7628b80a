package configs

// defaultKeep is how many inactive snapshots are kept where nothing else is said.
const defaultKeep = 3

var releaseKeys = []key[Releases]{
	field("directory", func(r *Releases) *string { return &r.Directory }, absolute),
	field("path", func(r *Releases) *string { return &r.Path }, installed),
	field("keep", func(r *Releases) *int { return &r.Keep }, count(0)),
}

// installed reads the path of a release, over which supd mounts snapshots.
func installed(in input) (string, bool) {
	s, ok := absolute(in)
	if ok && s == "/" {
		in.fail("is the whole machine; give the directory that each version is installed at")
		return "", false
	}
	return s, ok
}

func readReleases(in input, a *App) {
	a.Release = &Releases{Keep: defaultKeep}
	readTable(in, releaseKeys, a.Release)
	directory, path := in.Table["directory"], in.Table["path"]
	switch {
	case in.Kind != aTable:
	case directory == nil && path == nil:
		in.fail(`does not say where versions are installed; set directory = "/opt/%s" for versions side by side, or path = "…" when all are installed at the same`, a.Name)
	case directory != nil && path != nil:
		in.fail("directory and path exclude each other: versions are installed side by side below directory, or all at the same path; remove one")
	}
}
