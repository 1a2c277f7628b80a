package release

import "context"

// Took notes that supd has begun to deploy a release that it was asked for.
func (s *Store) Took(ctx context.Context, app, version string) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := s.Get(app, version)
	if err != nil || !r.Deploy {
		return err
	}
	r.Deploy = false
	return s.write(r)
}
