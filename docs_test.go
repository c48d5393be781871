package im_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	testName     = regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)[A-Z][A-Za-z0-9_]*)`")
	codePath     = regexp.MustCompile("`((?:cmd|domain|store|routing|realtime|rest|client|web|internal|migrations|deploy|tools|test|docs|scripts|examples)/[A-Za-z0-9_./-]*)`")
	heading      = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchor  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestDocsLinksResolve holds every relative link of the documents, its #heading
// included.
func TestDocsLinksResolve(t *testing.T) {
	seen := 0
	for _, page := range documents(t) {
		for _, match := range markdownLink.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(match[1], "://") || strings.HasPrefix(match[1], "mailto:") {
				continue
			}
			seen++
			target, anchor, _ := strings.Cut(match[1], "#")
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			_, err := os.Stat(path)
			require.NoError(t, err, "%s links to %s", page, match[1])
			if anchor != "" {
				require.Contains(t, anchors(read(t, path)), anchor, "%s links to %s", page, match[1])
			}
		}
	}
	require.Greater(t, seen, 30)
}

// TestDocsNameWhatExists holds that tests, files and packages that the documents
// name in code style are in the tree.
func TestDocsNameWhatExists(t *testing.T) {
	var tests strings.Builder
	require.NoError(t, fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			tests.WriteString(read(t, path))
		}
		return err
	}))
	named, paths := 0, 0
	for _, page := range documents(t) {
		if page == "CHANGELOG.md" {
			continue // it tells of the past, too
		}
		text := read(t, page)
		for _, match := range testName.FindAllStringSubmatch(text, -1) {
			named++
			require.True(t, strings.Contains(tests.String(), "func "+match[1]+"("), "%s names %s, which does not exist", page, match[1])
		}
		for _, match := range codePath.FindAllStringSubmatch(text, -1) {
			paths++
			_, err := os.Stat(strings.TrimSuffix(match[1], "/..."))
			require.NoError(t, err, "%s names a path that does not exist", page)
		}
	}
	require.Greater(t, named, 60)
	require.Greater(t, paths, 30)
}

// documents returns the Markdown files of the tree, but for those that installs
// and runs leave behind.
func documents(t *testing.T) (pages []string) {
	t.Helper()
	require.NoError(t, fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || path != "." && strings.HasPrefix(path, ".") && path != ".github") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return nil
	}))
	require.True(t, slices.Contains(pages, "README.md"))
	return pages
}

// anchors returns the names by which the headings of a page can be linked, as
// GitHub makes them.
func anchors(text string) (names []string) {
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(notInAnchor.ReplaceAllString(match[1], ""))
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
