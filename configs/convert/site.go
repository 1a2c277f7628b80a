package convert

// site is what one old supervisor was given: a main file with what it includes, and pieces.
type site interface {
	add(file, text string)
	include() // what the files so far name
	convert()
}

// sites are those of one kind of supervisor.
type sites struct {
	begin  func(file string) site
	errors *Errors
	all    []opened
	pieces []File // that no main file has included
}

// opened is a site of which something may be unreadable: half of it is not converted.
type opened struct {
	site
	unread bool
}

func (s *sites) file(file, text string, main bool) {
	if !main {
		s.pieces = append(s.pieces, File{file, text})
		return
	}
	one := s.open(file)
	s.reads(one, func() {
		one.add(file, text)
		one.include()
	})
}

func (s *sites) open(file string) *opened {
	s.all = append(s.all, opened{site: s.begin(file)})
	return &s.all[len(s.all)-1]
}

func (s *sites) reads(one *opened, read func()) {
	before := len(*s.errors)
	read()
	one.unread = one.unread || len(*s.errors) > before
}

// convert takes pieces for parts of the one main file that there is, wherever that looks for
// them. Without one, or with several, they are a site of their own.
func (s *sites) convert() {
	if len(s.pieces) > 0 && len(s.all) != 1 {
		s.open(s.pieces[0].Name)
	}
	for _, piece := range s.pieces {
		last := &s.all[len(s.all)-1]
		s.reads(last, func() { last.add(piece.Name, piece.Text) })
	}
	for _, one := range s.all {
		if !one.unread {
			one.convert()
		}
	}
}
