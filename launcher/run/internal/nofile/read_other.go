//go:build !linux || !amd64

package nofile

func read() Limit { return Limit{} }
