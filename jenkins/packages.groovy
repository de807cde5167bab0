// Builds the packages, each on an agent of its own, and publishes all of them as one snapshot.
// Publishing is one queue: who comes second waits, and Jenkins says for whom.
def common
def names = []
try {
    node('twine') {
        checkout scm
        common = load 'jenkins/common.groovy'
        names = params.PACKAGES.tokenize() ?: sh(script: 'cd packages && dirname */package.yml', returnStdout: true).tokenize()
    }
    parallel names.collectEntries { name -> [name, { node('twine') {
        checkout scm
        common.prepare packages: 'build/packages/**'
        common.play 'build_packages', [packages: [name]]
        stash name: name, includes: "build/packages/cache/${name}-*/**", allowEmpty: true
    } }] }
    lock('repository') { node('twine') {
        checkout scm
        common.prepare packages: 'build/**'
        names.each { unstash it }
        ['repository', 'build_packages', 'publish_packages'].each { common.play it }
        archiveArtifacts artifacts: 'build/packages/**, build/releases/snapshot.json, build/keys/**', excludes: 'build/packages/work/**'
    } }
} catch (failure) {
    mail to: env.NOTIFY, subject: "${env.JOB_NAME} #${env.BUILD_NUMBER} failed", body: "${failure}\n${env.BUILD_URL}"
    throw failure
}
