package remote_test

// unfit are the bodies of each room that are not for SFTP, and why.
var unfit = map[string]map[string]string{
	"tmpfs": {
		"TestRelativeDir/sshfs": "a relative name starts where the server says, which need not be the root: it stays relative",
	},
	"atomicfs": {
		"TestNewFsPasses/sshfs": "it takes for granted that what is not on the operating system has no links: SFTP has",
	},
}
