locals {
  instance_types = { amd64 = "t3.medium", arm64 = "t4g.medium" }

  name = "${var.role}-${var.bake_key}"

  # Lineage: from an image one finds what it was made of.
  tags = {
    Name                 = local.name
    "twine:role"         = var.role
    "twine:bake-key"     = var.bake_key
    "twine:snapshot"     = var.snapshot
    "twine:architecture" = var.architecture
    "twine:source"       = "{{ .SourceAMI }}"
  }

  # On everything that is there only while an image is baked: by these a reaper knows what a bake left behind.
  builder_tags = {
    Name             = "packer ${local.name}"
    "twine:role"     = "builder"
    "twine:bake-key" = var.bake_key
  }
}

source "docker" "machine" {
  image       = var.docker_base
  pull        = false
  commit      = true
  run_command = ["-d", "-i", "-t", "--name", "${var.docker_prefix}-builder-${var.role}", "--network", var.docker_network, "--label", "twine.checkout=${trimprefix(var.docker_prefix, "twine-")}", "--entrypoint=/bin/sh", "--", "{{ .Image }}"]
  changes = [
    "ENTRYPOINT [\"/sbin/init\"]",
    "LABEL twine.checkout=${trimprefix(var.docker_prefix, "twine-")}",
    "LABEL twine.role=${var.role}",
    "LABEL twine.bake_key=${var.bake_key}",
    "LABEL twine.snapshot=${var.snapshot}",
  ]
}

source "amazon-ebs" "machine" {
  region               = var.region
  custom_endpoint_ec2  = var.endpoint_url
  instance_type        = var.instance_type != "" ? var.instance_type : local.instance_types[var.architecture]
  iam_instance_profile = var.instance_profile
  subnet_id            = var.subnet_id
  ami_name             = local.name
  imds_support         = "v2.0"
  tags                 = local.tags
  snapshot_tags        = local.tags
  run_tags             = local.builder_tags
  run_volume_tags      = local.builder_tags

  source_ami_filter {
    owners      = [var.source_owner]
    most_recent = true
    filters = {
      name                = var.source_name != "" ? var.source_name : "debian-12-${var.architecture}-*"
      virtualization-type = "hvm"
      root-device-type    = "ebs"
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    volume_size           = var.root_gigabytes
    encrypted             = true
    kms_key_id            = var.kms_key_id
    delete_on_termination = true
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # No port is opened to the world: only the address that Packer runs from may log in, with a key of this one build.
  temporary_security_group_source_public_ip = var.ssh_from == ""
  temporary_security_group_source_cidrs     = var.ssh_from == "" ? [] : [var.ssh_from]
  temporary_key_pair_type                   = "ed25519"
  ssh_interface                             = var.ssh_interface

  # As root: cloud-init would make the account `admin` on the builder, and so in the image. Each machine makes it anew.
  user_data    = "#cloud-config\nusers: []\ndisable_root: false\n"
  ssh_username = "root"
}

source "qemu" "machine" {
  iso_url          = var.qemu_image_url
  iso_checksum     = var.qemu_image_checksum
  disk_image       = true
  disk_size        = "${var.root_gigabytes}G"
  format           = "qcow2"
  accelerator      = var.qemu_accelerator
  memory           = 2048
  cpus             = 2
  headless         = true
  output_directory = "${path.root}/../build/images/qemu-${local.name}"
  vm_name          = "${local.name}.qcow2"

  # As root, with a key of this one build that goes when the image is sealed: an account would stay in the image.
  ssh_username         = "root"
  ssh_private_key_file = var.qemu_key_file
  ssh_timeout          = "20m"
  shutdown_command     = "systemctl poweroff"

  # Packer's own network card would listen on every address of this machine. systemd takes the builder's key, and the repository's
  # name, from the firmware: https://www.freedesktop.org/software/systemd/man/252/systemd.exec.html#Credentials
  qemuargs = [
    ["-netdev", "user,id=user.0,hostfwd=tcp:127.0.0.1:{{ .SSHHostPort }}-:22${var.qemu_repository_program != "" ? ",guestfwd=tcp:10.0.2.100:80-cmd:${var.qemu_repository_program}" : ""}"],
    ["-cpu", var.qemu_accelerator == "kvm" ? "host" : "qemu64"],
    ["-serial", "file:${path.root}/../build/images/${local.name}.console"],
    ["-smbios", "type=11,value=io.systemd.credential.binary:tmpfiles.extra=${base64encode(join("\n", [
      "d /root/.ssh 0700 root root -",
      "f+ /root/.ssh/authorized_keys 0600 root root - ${var.qemu_public_key}",
      "w+ /etc/hosts - - - - 10.0.2.100 repository\\n",
      "",
    ]))}"],
  ]
}
