# One build, three sources. Packer says which machine it is (a group) and where its variables are (an inventory); all else is
# the roles' business.
build {
  name    = "image"
  sources = ["source.docker.machine", "source.amazon-ebs.machine", "source.qemu.machine"]

  # Packer's own ssh proxy makes Ansible five to ten times slower: https://github.com/hashicorp/packer-plugin-ansible/issues/100
  provisioner "ansible" {
    playbook_file           = "${path.root}/../playbooks/bake_machine.yml"
    command                 = var.ansible_playbook
    groups                  = [var.role]
    inventory_directory     = var.inventory_folder
    use_proxy               = false
    skip_version_check      = true
    inventory_file_template = source.type == "docker" ? "{{ .HostAlias }} ansible_connection=community.docker.docker ansible_host=${build.ID}\n" : null
    extra_arguments         = ["--extra-vars", "machine_phase=bake"]
    ansible_env_vars        = ["ANSIBLE_PIPELINING=True", "ANSIBLE_NOCOLOR=True", "ANSIBLE_GATHERING=smart"]
  }

  # Ansible leaves files of its own behind, so the last word is a script's: it proves by what is absent.
  provisioner "shell" {
    script          = "${path.root}/../roles/image/files/prove-sealed"
    execute_command = "chmod +x {{ .Path }}; if [ $(id -u) = 0 ]; then {{ .Path }}; else sudo {{ .Path }}; fi"
  }

  post-processor "docker-tag" {
    only       = ["docker.machine"]
    repository = "${var.docker_prefix}/${var.role}"
    tags       = [var.bake_key]
  }

  post-processor "vagrant" {
    only   = ["qemu.machine"]
    output = "${path.root}/../build/images/${local.name}.box"
    # tools/box_qemu.py reads the manifest from it.
    keep_input_artifact = true
  }
}
