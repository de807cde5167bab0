// Names what was published and baked as one release, and brings it to development.
def name
try {
    node('twine') {
        checkout scm
        def common = load 'jenkins/common.groovy'
        common.prepare packages: 'build/releases/snapshot.json', images: 'build/images/**', release: 'build/releases/*.yml'
        common.play 'release'
        name = sh(script: "sed -n 's/^name: //p' build/releases/current.yml", returnStdout: true).trim()
        // Not current.yml: pointers to releases are no releases, and artifacts would turn links into files.
        archiveArtifacts artifacts: 'build/releases/*-*.yml'
    }
    currentBuild.description = name
    build job: 'deploy', parameters: [
        string(name: 'ENVIRONMENT', value: 'dev'), string(name: 'RELEASE', value: name), booleanParam(name: 'CHECK', value: params.CHECK),
    ]
} catch (failure) {
    mail to: env.NOTIFY, subject: "${env.JOB_NAME} #${env.BUILD_NUMBER} failed", body: "${failure}\n${env.BUILD_URL}"
    throw failure
}
