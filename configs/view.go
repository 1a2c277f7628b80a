package configs

import "supd/privdrop"

// view says where the files of the release can be read that its workers see at
// Path. When the two differ, a symbolic link with an absolute target beneath Path
// leads to another release's files, or nowhere.
func (v Version) view() privdrop.View {
	if v.Path == v.Files {
		return nil
	}
	return privdrop.ViewOf(v.Files, v.Path)
}

// view is that of the release the app is resolved with; none changes no path.
func (a *App) view() privdrop.View {
	if a.version == nil {
		return nil
	}
	return a.version.view()
}
