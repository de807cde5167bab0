// Builds the packages, each on an agent of its own, and publishes all of them as one snapshot.
// The repository is one queue: who comes second waits, and Jenkins says for whom.
def common
def names = []
try {
    node('twine') {
        checkout scm
        common = load 'jenkins/common.groovy'
        common.prepare packages: 'build/keys/**'
        lock('repository') { common.play 'repository' }
        stash name: 'keys', includes: 'build/keys/**', allowEmpty: true
        names = params.PACKAGES.tokenize() ?: sh(script: 'cd packages && dirname */package.yml', returnStdout: true).tokenize()
    }
    def agent = { work -> node('twine') { checkout scm; common.prepare packages: 'build/packages/**'; unstash 'keys'; work() } }
    parallel names.collectEntries { name -> [name, { agent {
        common.play 'build_packages', [packages: [name]]
        stash name: name, includes: "build/packages/cache/${name}-*/**", allowEmpty: true
    } }] }
    lock('repository') { agent {
        names.each { unstash it }
        common.play 'build_packages'
        common.play 'publish_packages'
        archiveArtifacts artifacts: 'build/packages/**, build/releases/snapshot.json, build/keys/**', excludes: 'build/packages/work/**'
    } }
} catch (failure) {
    mail to: env.NOTIFY, subject: "${env.JOB_NAME} #${env.BUILD_NUMBER} failed", body: "${failure}\n${env.BUILD_URL}"
    throw failure
}
