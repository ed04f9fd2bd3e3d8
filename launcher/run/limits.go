package run

import (
	"slices"

	"golang.org/x/sys/unix"

	"doorward/launcher/run/internal/entry"
)

// originals appends to limits the soft limits that this process began with,
// where they have been raised since (package entry) and p does not set them
// itself.
func (p *Program) originals(limits []Limit) ([]Limit, error) {
	for _, resource := range entry.Resources {
		soft, known := entry.Original(resource)
		if !known || p.limits(resource) {
			continue
		}
		var now unix.Rlimit
		if err := unix.Prlimit(0, resource, nil, &now); err != nil {
			return nil, p.fail("prlimit64", err)
		}
		if soft = min(soft, now.Max); soft != now.Cur {
			limits = append(limits, Limit{resource, soft, now.Max})
		}
	}
	return limits, nil
}

// limits reports whether p has a limit of its own for resource.
func (p *Program) limits(resource int) bool {
	return slices.ContainsFunc(p.Limits, func(l Limit) bool { return l.Resource == resource })
}

// ofMemory reports whether l is one in which Go may not be able to go on. Of
// originals, only open files are not; package syscall gives those back itself.
func ofMemory(l Limit) bool { return l.Resource != unix.RLIMIT_NOFILE }
