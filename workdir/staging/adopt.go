package staging

import (
	"reflect"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// spoolOf returns a spool that has spilled to f already.
func spoolOf(f *tmpfs.File, opts *spool.Options) (*spool.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := spool.New(f.Fs(), opts)
	store := reflect.ValueOf(s).Elem().FieldByName("h").FieldByName("store")
	disk := reflect.New(store.FieldByName("file").Type().Elem())
	set(disk, "file", f)
	set(disk, "size", info.Size())
	var via afero.File = f
	if g, ok := f.OSFile(); ok {
		set(disk, "os", g)
		via = g
	}
	set(disk, "via", via)
	set(store.Addr(), "file", disk.Interface())
	set(store.Addr(), "spilled", true)
	set(store.Addr(), "name", f.Name())
	return s, nil
}

// set gives the unexported field of *it a value. The packages below have no way
// yet to go on with a file that exists; a field that goes by another name panics
// here, in every test.
func set(it any, field string, value any) {
	v, ok := it.(reflect.Value)
	if !ok {
		v = reflect.ValueOf(it)
	}
	f := v.Elem().FieldByName(field)
	reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem().Set(reflect.ValueOf(value))
}
