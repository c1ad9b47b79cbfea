#!/bin/sh
# The Go package runs a decode on the simulator. usage: go.sh SOURCE_FOLDER BUILD_FOLDER
. "$(dirname "$0")/bindings.sh"
need go golang-go
CGO_CFLAGS=-I$source/include
CGO_LDFLAGS=-L$build
GOCACHE=$build/go
GOFLAGS=-mod=mod
GOPROXY=off
export CGO_CFLAGS CGO_LDFLAGS GOCACHE GOFLAGS GOPROXY
cd "$source/tools/bindings/go" || exit 1
must "go vet" go vet ./...
must "go run" go run ./decode "$build"
verdict
