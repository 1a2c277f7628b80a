package configs

// descriptors warns of a limit of open files that is used up when the process begins: a
// program opens its libraries, and a server each connection.
func (t *trap) descriptors() {
	limit, is := t.process.Limits["nofile"]
	given := 3 + len(t.process.Sockets)
	if is && limit.Soft <= uint64(given) {
		t.warn("limits.nofile", "the process begins with %d open files, its sockets among them, and can open none beside them; raise it", given)
	}
}
