// What the pipelines share. Each loads it after its checkout: `common = load 'jenkins/common.groovy'`.

// An agent begins empty and is thrown away: bring it the tools, and from earlier builds (job: files) what they left.
def prepare(Map earlier = [:]) {
    sh 'make setup'
    earlier.each { job, files -> copyArtifacts projectName: job, filter: files, selector: lastSuccessful(), optional: true }
}

// Run a playbook as a person does. Its options go by a file: what somebody typed into a form is never read by a shell.
// Releases lie in build/ here, among what is archived.
def play(String playbook, Map options = [:]) {
    writeFile file: 'build/options.json', text: groovy.json.JsonOutput.toJson(options + [releases_folder: "${pwd()}/build/releases"])
    withEnv(["PLAYBOOK=${playbook}", "MODE=${params.CHECK ? '--check --diff' : ''}"]) {
        sh '''
            export PATH="$PWD/.venv/bin:$PWD/build/tools/bin:$PATH"
            ansible-playbook -i "inventories/$ESTATE" $MODE "playbooks/$PLAYBOOK.yml" --extra-vars @build/options.json
        '''
    }
}

// The path of a release that was named in a form.
def release(String name) {
    if (!(name ==~ /[a-z0-9][a-z0-9.+~-]*/)) {
        error "Failed to take the release '${name}': that is no name. Give one that the job `release` printed, such as 1.0.1-3f9a2c04."
    }
    return "${pwd()}/build/releases/${name}.yml"
}

return this
