package files

import (
	"errors"
	"os"
	"strconv"
	"testing"
)

func TestEachName(t *testing.T) {
	dir := t.TempDir()
	const there = 2*fewNames + 1
	for i := range there {
		if err := os.WriteFile(dir+"/"+strconv.Itoa(i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		most, stopsAt, want int
		err                 error
	}{
		{there, 0, there, nil},
		{there - 1, 0, there - 1, ErrManyNames},
		{0, 0, 0, ErrManyNames},
		{there, fewNames + 1, fewNames + 1, nil},
	} {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		err = EachName(f, test.most, func(name string) bool {
			seen[name] = true
			return len(seen) != test.stopsAt
		})
		f.Close()
		if len(seen) != test.want || !errors.Is(err, test.err) {
			t.Errorf("%+v: %d names, %v", test, len(seen), err)
		}
	}
}
