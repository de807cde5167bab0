// Bakes the images whose inputs moved, from the snapshot that was published last.
try {
    node('twine') {
        checkout scm
        def common = load 'jenkins/common.groovy'
        common.prepare packages: 'build/releases/snapshot.json, build/keys/**', images: 'build/images/**'
        lock('images') {
            common.play 'bake_image', params.IMAGES ? [images: params.IMAGES.tokenize()] : [:]
        }
        archiveArtifacts artifacts: 'build/images/**'
    }
} catch (failure) {
    mail to: env.NOTIFY, subject: "${env.JOB_NAME} #${env.BUILD_NUMBER} failed", body: "${failure}\n${env.BUILD_URL}"
    throw failure
}
