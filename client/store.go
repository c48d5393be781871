package client

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// Positions are how far a device has received each conversation, in one epoch of the
// log.
type Positions struct {
	// Epoch is the id of the epoch; "" in a store that was never used.
	Epoch string `json:"epoch"`
	// Seqs maps each conversation to the seq of the last event that OnEvent returned for,
	// or after which the device starts.
	Seqs map[ConversationID]int64 `json:"seqs"`
}

// Store keeps the positions of one device between runs. A client calls it from one
// goroutine at a time; an error ends Run. A store must not be shared by clients.
type Store interface {
	// Load returns what was saved; the zero Positions from a store that was never used.
	Load(ctx context.Context) (Positions, error)
	// Save merges the changed positions into the stored ones. Under another epoch it
	// replaces them instead: what was stored of the former epoch is void.
	Save(ctx context.Context, changed Positions) error
}

var (
	_ Store = (*memoryStore)(nil)
	_ Store = (*FileStore)(nil)
)

// memoryStore is the default store. A later client with the same device id starts from
// what the device has acknowledged to the server.
type memoryStore struct{ kept Positions }

func (s *memoryStore) Load(context.Context) (Positions, error) { return s.kept.clone(), nil }

func (s *memoryStore) Save(_ context.Context, changed Positions) error {
	s.kept = s.kept.with(changed)
	return nil
}

// FileStore keeps positions in a JSON file, which each save replaces atomically.
type FileStore struct {
	path string
	kept Positions
}

// NewFileStore returns a store in the file at path. The folder must exist; the file is
// created by the first save.
func NewFileStore(path string) *FileStore { return &FileStore{path: path} }

// Load implements Store. A file that does not exist is an empty store.
func (s *FileStore) Load(context.Context) (Positions, error) {
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s.kept.clone(), nil
	}
	if err != nil {
		return Positions{}, err
	}
	var stored Positions
	if err := json.Unmarshal(data, &stored); err != nil {
		return Positions{}, err
	}
	s.kept = stored
	return s.kept.clone(), nil
}

// Save implements Store.
func (s *FileStore) Save(_ context.Context, changed Positions) error {
	next := s.kept.clone().with(changed)
	data, err := json.Marshal(next)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".*")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), s.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	s.kept = next
	return nil
}

func (p Positions) clone() Positions {
	p.Seqs = maps.Clone(p.Seqs)
	return p
}

// with returns p with the changes; p must not be used any more.
func (p Positions) with(changed Positions) Positions {
	if p.Epoch != changed.Epoch || p.Seqs == nil {
		p = Positions{Epoch: changed.Epoch, Seqs: map[ConversationID]int64{}}
	}
	maps.Copy(p.Seqs, changed.Seqs)
	return p
}
