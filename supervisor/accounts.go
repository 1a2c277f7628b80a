package supervisor

import (
	"fmt"
	"sync"

	"supd/configs"
	"supd/privdrop"
)

// accounts are those of one preparation: each is looked up once, also in vain, since a
// directory service may take its time for either.
type accounts struct {
	mu    sync.Mutex
	known map[string]found // by user, group and groups
}

type found struct {
	account *privdrop.Account
	err     error
}

func newAccounts() *accounts { return &accounts{known: map[string]found{}} }

// get waits for whoever looks one up just now.
func (a *accounts) get(c *configs.Process) (*privdrop.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := fmt.Sprintf("%q %q %q", c.User, c.Group, c.Groups)
	one, known := a.known[name]
	if !known {
		one.account, one.err = account(c)
		a.known[name] = one
	}
	return one.account, one.err
}
