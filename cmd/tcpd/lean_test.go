package main

import (
	"testing"

	"doorward/cmd/internal/lean"
)

func TestLean(t *testing.T) { lean.Test(t) }
