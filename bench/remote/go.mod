module github.com/tempkit/tempkit/bench/remote

go 1.25.0

replace github.com/tempkit/tempkit => ../..

require (
	github.com/pkg/sftp v1.13.8
	github.com/spf13/afero v1.15.0
	github.com/spf13/afero/sftpfs v1.15.0
	github.com/stretchr/testify v1.12.1
	github.com/tempkit/tempkit v0.0.0-00010101000000-000000000000
	go.uber.org/goleak v1.3.0
	golang.org/x/crypto v0.36.0
	pgregory.net/rapid v1.3.0
)

require (
	github.com/kr/fs v0.1.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.28.0 // indirect
)
