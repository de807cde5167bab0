// Puts an earlier release back in one environment. Production asks a person; the release's signature is kept from when it was deployed.
try {
    if (params.ENVIRONMENT == 'prod') {
        input message: "Put ${params.RELEASE} back in production?", ok: 'Roll back', submitter: env.APPROVERS
    }
    node('twine') {
        checkout scm
        def common = load 'jenkins/common.groovy'
        def file = common.release(params.RELEASE)
        common.prepare packages: 'build/keys/**', release: 'build/releases/*.yml', deploy: 'build/releases/*.sig'
        lock('estate') {
            common.play 'roll_back', [release_file: file, environment_name: params.ENVIRONMENT]
        }
    }
} catch (failure) {
    mail to: env.NOTIFY, subject: "${env.JOB_NAME} #${env.BUILD_NUMBER} failed", body: "${failure}\n${env.BUILD_URL}"
    throw failure
}
