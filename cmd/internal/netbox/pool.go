//go:build linux

package netbox

import (
	"cmp"
	"slices"
	"sync"

	"doorward/cmd/internal/netbox/record"
)

// Boxes is how many work side by side. They wait much more than they work.
const Boxes = 12

// ReplayAll plays every case in one of several boxes, the slowest first, and
// returns the results in the order of the cases.
func ReplayAll(programs []Program, cases []*record.Case) ([]*record.Result, error) {
	order := make([]int, len(cases))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Compare(cases[j].Expect.Seconds, cases[i].Expect.Seconds)
	})
	next := make(chan int, len(order))
	for _, i := range order {
		next <- i
	}
	close(next)

	results := make([]*record.Result, len(cases))
	errs := make([]error, min(Boxes, len(cases)))
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() { errs[n] = work(programs, cases, next, results) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// work has one box play cases until none is left.
func work(programs []Program, cases []*record.Case, next <-chan int, results []*record.Result) error {
	b, err := Start(programs)
	if err != nil {
		return err
	}
	defer b.Close()
	for i := range next {
		if results[i], err = b.Replay(cases[i]); err != nil {
			return err
		}
	}
	return nil
}
