package privdrop

// database is where names are looked up.
type database struct {
	passwd, group string
	getent        []string // where the program may be
}
