package xinetd

import (
	"io/fs"
	"os"
)

// Disk is the file system of this machine, for Host.FS.
type Disk struct{}

func (Disk) ReadFile(name string) ([]byte, error)       { return os.ReadFile(name) }
func (Disk) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (Disk) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
