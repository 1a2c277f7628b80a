package main

import (
	"context"

	"supd/privdrop/files"
)

// untilTold does something that may wait for a disk which does not answer, unless the user
// interrupts it: then the error says so, it goes on, and nobody waits for it. So it prints
// nothing, and what it changes must not be looked at any more.
func untilTold(ctx context.Context, do func()) error {
	_, err := files.Soon(ctx, do)
	return err
}
