// The jobs, in Job DSL: Jenkins makes them from this file at every start. REPOSITORY, CREDENTIALS and BRANCH are its configuration's.
def verb(String name, String what, Closure form) {
    pipelineJob(name) {
        description(what)
        logRotator { numToKeep(200); artifactNumToKeep(20) }
        properties { copyArtifactPermission { projectNames('*') } }
        parameters {
            form.delegate = delegate
            form.resolveStrategy = Closure.DELEGATE_FIRST
            form()
            booleanParam('CHECK', false, 'Only say what would be done, as --check --diff does')
        }
        definition {
            cpsScm {
                scriptPath("jenkins/${name}.groovy")
                scm { git { remote { url(REPOSITORY); if (CREDENTIALS) { credentials(CREDENTIALS) } }; branch(BRANCH) } }
            }
        }
    }
}

verb('packages', 'Builds packages side by side and publishes all of them as one snapshot') {
    stringParam('PACKAGES', '', 'Names, separated by spaces; all that have a definition when empty')
}
verb('images', 'Bakes the images whose inputs moved') {
    stringParam('IMAGES', '', 'Names, separated by spaces; all when empty')
}
verb('release', 'Names what was published and baked as one release, and brings it to development') {
}
verb('deploy', 'Brings a release to one environment; production asks a person, who brings its signature') {
    choiceParam('ENVIRONMENT', ['dev', 'prod'], 'Where to')
    stringParam('RELEASE', '', 'The name that the job release printed')
    stringParam('STACKS', '', 'Production only: stacks to deploy before the application is rolled out, such as prod/search bastion')
}
verb('roll_back', 'Puts an earlier release back in one environment; production asks a person') {
    choiceParam('ENVIRONMENT', ['dev', 'prod'], 'Where')
    stringParam('RELEASE', '', 'The name of the release to go back to')
}
