package supervisor

// Inherited is a socket that supd was started with. It serves the configured
// socket of its address, whatever its name; where the address does not tell, the
// name must be the key, "whois/web".
type Inherited struct {
	Name string
	Fd   int // the Supervisor's from now on
}

// KeepSockets lets the listening sockets outlive supd: changed gets all of them
// now, and from then on each that was opened, bound anew or closed. It is called
// from the owner's goroutine and must not block. A supd that ends leaves the paths
// of unix sockets to the next one, whose New is to get the descriptors.
//
// Whoever keeps sockets may have some of an earlier supd that are not wanted any
// more; of those that New got they are said to be closed. KeepSockets is called
// before Run, once.
func (s *Supervisor) KeepSockets(changed func([]Kept)) {
	all := s.host.sockets
	all.keeping = &keeping{changed: changed, inodes: map[string][]uint64{}}
	for _, name := range all.earlier {
		all.keeping.inodes[name] = nil
	}
	all.passOn()
}
