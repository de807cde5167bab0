// Brings a release to one environment. Production asks a person, who brings the release's signature: Jenkins can't make one.
def production = params.ENVIRONMENT == 'prod'
try {
    def signature = production ? input(message: "Bring ${params.RELEASE} to production?", ok: 'Deploy', submitter: env.APPROVERS,
        parameters: [text(name: 'SIGNATURE', description: 'The file <release>.yml.sig that promote.yml wrote')]) : ''
    if (production && !signature) {
        error "Failed to deploy ${params.RELEASE} to prod: no signature was given. Sign the release with promote.yml and paste the file."
    }
    node('twine') {
        checkout scm
        def common = load 'jenkins/common.groovy'
        def file = common.release(params.RELEASE)
        def stacks = production ? params.STACKS.tokenize() : ['dev']
        common.prepare release: 'build/releases/*.yml', deploy: 'build/releases/*.sig'
        if (production) { writeFile file: "${file}.sig", text: signature.replace('\r', '').trim() + '\n' }
        lock('estate') {
            if (stacks) { common.play 'deploy', [release_file: file, only: stacks] }
            if (production) { common.play 'roll_out', [release_file: file, environment_name: 'prod'] }
        }
        archiveArtifacts artifacts: 'build/releases/*.sig', allowEmptyArchive: true
    }
} catch (failure) {
    mail to: env.NOTIFY, subject: "${env.JOB_NAME} #${env.BUILD_NUMBER} failed", body: "${failure}\n${env.BUILD_URL}"
    throw failure
}
