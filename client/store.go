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

// Positions is what a device has been handed, of one epoch of the log.
type Positions struct {
	// Epoch is "" in a store that was never used.
	Epoch string `json:"epoch"`
	// Seqs has the last seq that was handed over of each conversation.
	Seqs map[ConversationID]int64 `json:"seqs"`
}

// Store keeps the positions of one device between runs. It is used by one
// client, and by one goroutine at a time.
type Store interface {
	Load(ctx context.Context) (Positions, error)
	// Save takes over the positions that changed. An epoch other than the stored
	// one means that the log came back in an earlier state: all that is stored of
	// the former epoch is void.
	Save(ctx context.Context, changed Positions) error
}

var (
	_ Store = (*memoryStore)(nil)
	_ Store = (*FileStore)(nil)
)

// memoryStore is the default: with it, a client of the same device id starts
// from what that device has acknowledged.
type memoryStore struct{ kept Positions }

func (s *memoryStore) Load(context.Context) (Positions, error) { return s.kept.clone(), nil }

func (s *memoryStore) Save(_ context.Context, changed Positions) error {
	s.kept = s.kept.with(changed)
	return nil
}

// FileStore keeps positions in one JSON file, replaced as a whole at each save.
type FileStore struct {
	path string
	kept Positions
}

// NewFileStore returns a store in the file at path; its folder must exist, the
// file need not.
func NewFileStore(path string) *FileStore { return &FileStore{path: path} }

// Load implements Store.
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

// with returns p after changed; p itself must not be used any more.
func (p Positions) with(changed Positions) Positions {
	if p.Epoch != changed.Epoch || p.Seqs == nil {
		p = Positions{Epoch: changed.Epoch, Seqs: map[ConversationID]int64{}}
	}
	maps.Copy(p.Seqs, changed.Seqs)
	return p
}
